export {
  BCEWithLogitsLoss,
  type BCEWithLogitsLossOptions,
  CrossEntropyLoss,
  type CrossEntropyLossOptions,
} from './classification.js';
export { GlobalPercConfig, type GlobalPercOptions } from './config.js';
export { weightCurve } from './curve.js';
export { CosineLoss, type Distance, NormalizedTensorLoss } from './distances.js';
export { EncodedTarget } from './encoded-target.js';
export { Loss, type LossOptions, type SynchronousLoss, type ValueAndGrad } from './loss.js';
export {
  begin,
  type CallOptions,
  type Comparison,
  type Hook,
  type HookLoss,
  type Objective,
  type Progress,
  type Scene,
  type StepOptions,
} from './objective.js';
export { GlobalPercLoss } from './perceptual.js';
export {
  HuberLoss,
  type HuberLossOptions,
  L1Loss,
  MSELoss,
  type PixelLossOptions,
  SmoothL1Loss,
  type SmoothL1LossOptions,
} from './pixel.js';
export { TeacherStudentLoss } from './teacher-student.js';
export { WeightedLoss } from './weighted.js';
