/** Optimisers by PyTorch's names and formulas, as graphs (https://pytorch.org/docs/stable/optim.html). */
export { Adam, type AdamOptions, AdamW } from './adam.js';
export { clipGradNorm, clipGradValue, totalNorm } from './clip.js';
export {
  type CommonOptions,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type Update,
  type Updated,
} from './optimizer.js';
export * as lrScheduler from './schedule.js';
export { SGD, type SGDOptions } from './sgd.js';
