export { GlobalPercConfig, type GlobalPercOptions } from './config.js';
export * from './criteria.js';
export { type CurveOptions, weightCurve } from './curve.js';
export {
  type CallOptions,
  type Comparison,
  describeHook,
  descriptionOf,
  type Features,
  type Hook,
  type HookLoss,
  type HookSite,
  type LossDescription,
  lossIn,
  type Objective,
  type OpenInput,
  type RunContext,
  type Scene,
  type StudentScene,
} from './description.js';
export {
  CosineLoss,
  type CosineLossOptions,
  type Distance,
  type LossFunc,
  type Normalization,
  NormalizedTensorLoss,
  type Reduction,
} from './distances.js';
export { DISTS, type DISTSOptions } from './dists.js';
export { type LossDetails, openInputsOn } from './draft.js';
export { EncodedTarget } from './encoded-target.js';
export { GramLoss, type ReductionOptions } from './gram.js';
export type { InputRange } from './input-range.js';
export { Loss, type LossOptions, type SynchronousLoss, type ValueAndGrad } from './loss.js';
export { LPIPS, type LPIPSOptions } from './lpips.js';
export type { Network } from './network.js';
export type { NetworkLoss, NetworkLossOptions } from './network-loss.js';
export { openFeeds, snapshotOptions } from './open-inputs.js';
export { GlobalPercLoss } from './perceptual.js';
export { computed } from './run.js';
export { TeacherStudentLoss, type TeacherStudentOptions } from './teacher-student.js';
export { UnitLengthLoss } from './unit-length.js';
