export type { Estimate } from '../compile/index.js';
export type { Checkpoint } from './checkpoint.js';
export { type ExportOptions, exportOnnx, toOnnx } from './export.js';
export type { InputType, StepInput } from './inputs.js';
export type { PredictOptions, TrainerOptions } from './options.js';
export type { Evaluation, Prediction, StepResult } from './result.js';
export { Trainer } from './trainer.js';
