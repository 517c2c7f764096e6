/**
 * Optimisers by PyTorch's names and formulas, as graphs (https://pytorch.org/docs/stable/optim.html).
 * @module
 */
export { Adam, type AdamOptions, AdamW } from './adam.js';
export { fromJSON } from './json.js';
export * as lrScheduler from './lr-scheduler.js';
export {
  type CommonOptions,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type ParameterOptions,
  type Update,
  type Updated,
} from './optimizer.js';
export { SGD, type SGDOptions } from './sgd.js';
