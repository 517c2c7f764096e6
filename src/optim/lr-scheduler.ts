/**
 * Schedules of the learning rate, by the names of `torch.optim.lr_scheduler`; they advance once per optimiser step
 * (https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate).
 * @module
 */
export {
  CosineAnnealingWarmRestarts,
  type CosineAnnealingWarmRestartsOptions,
  OneCycleLR,
  type OneCycleLROptions,
} from './cyclic.js';
export { ReduceLROnPlateau, type ReduceLROnPlateauOptions } from './plateau.js';
export {
  ConstantLR,
  CosineAnnealingLR,
  type CosineAnnealingLROptions,
  LinearLR,
  type LinearLROptions,
  type LRScheduler,
  type MetricState,
  SequentialLR,
  StepLR,
  type StepLROptions,
} from './schedule.js';
