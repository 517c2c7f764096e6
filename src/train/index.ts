export type { Checkpoint } from './checkpoint.js';
export { type ExportOptions, exportOnnx, toOnnx } from './export.js';
export { type BatchTensor, type StepResult, Trainer, type TrainerOptions } from './trainer.js';
