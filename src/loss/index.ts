export { GlobalPercConfig, type GlobalPercOptions } from './config.js';
export { weightCurve } from './curve.js';
export { CosineLoss, type Distance, NormalizedTensorLoss } from './distances.js';
export { EncodedTarget } from './encoded-target.js';
export {
  type Hook,
  type HookLoss,
  Loss,
  type LossOptions,
  type Progress,
  type StepOptions,
  type ValueAndGrad,
} from './loss.js';
export { GlobalPercLoss } from './perceptual.js';
export { L1Loss, MSELoss, type PixelLossOptions, SmoothL1Loss, type SmoothL1LossOptions } from './pixel.js';
export type { TensorLike } from './tensor-like.js';
