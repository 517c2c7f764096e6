export type { Checkpoint } from './checkpoint.js';
export { type ExportOptions, exportOnnx, toOnnx } from './export.js';
export type { TrainerOptions } from './options.js';
export type { StepResult } from './result.js';
export { type Prediction, type PredictOptions, Trainer } from './trainer.js';
