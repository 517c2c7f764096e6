/** The public `optim.lrScheduler` namespace. */
export {
  ConstantLR,
  CosineAnnealingLR,
  type CosineAnnealingLROptions,
  LinearLR,
  type LinearLROptions,
  type LRScheduler,
  SequentialLR,
  StepLR,
  type StepLROptions,
} from './schedule.js';
