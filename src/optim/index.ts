/**
 * Optimisers by PyTorch's names and formulas, as graphs (https://pytorch.org/docs/stable/optim.html).
 * @module
 */
export { Adafactor, type AdafactorOptions } from './adafactor.js';
export { Adam, type AdamOptions, AdamW } from './adam.js';
export { NAdam, type NAdamOptions, RAdam, type RAdamOptions } from './adam-variants.js';
export { fromJSON } from './json.js';
export { Lion, type LionOptions } from './lion.js';
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
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { SGD, type SGDOptions } from './sgd.js';
