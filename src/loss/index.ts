export { AttentionTransferLoss } from './attention-transfer.js';
export { adaptiveFactor } from './balance.js';
export { GlobalPercConfig, type GlobalPercOptions } from './config.js';
export * from './criteria.js';
export { type CurveOptions, weightCurve } from './curve.js';
export {
  type CallOptions,
  type Comparison,
  compared,
  describeHook,
  descriptionOf,
  type Features,
  type Hook,
  type HookLoss,
  type HookSite,
  type LossDescription,
  type Objective,
  type OpenInput,
  type Part,
  type RunContext,
  requireObjective,
  type Scene,
  type StudentScene,
  type Summand,
  sceneWith,
  sitesOf,
} from './description.js';
export { DescriptionAround } from './description-around.js';
export {
  CosineLoss,
  type CosineLossOptions,
  type Distance,
  type LossFunc,
  type Normalization,
  NormalizedTensorLoss,
  type ReducedDistance,
  type Reduction,
} from './distances.js';
export { DISTS, type DISTSOptions } from './dists.js';
export { addSamples, type LossDetails, openInputsOn, predictionFeatures } from './draft.js';
export type { EncodeAllOptions, EncodeAllProgress } from './encode-all.js';
export type { EncodedDataset } from './encoded-dataset.js';
export { EncodedTarget } from './encoded-target.js';
export { GramLoss, type ReductionOptions } from './gram.js';
export type { InputRange } from './input-range.js';
export { KDLoss, type KDLossOptions } from './kd.js';
export {
  type CompileOptions,
  LOSS,
  Loss,
  type LossOptions,
  type MapOptions,
  type SynchronousLoss,
  type ValueAndGrad,
} from './loss.js';
export type { HookMap, LossMap } from './loss-map.js';
export { LPIPS, type LPIPSOptions } from './lpips.js';
export { maskFeeds, maskShape } from './mask.js';
export type { Network } from './network.js';
export type { NetworkLoss, NetworkLossOptions } from './network-loss.js';
export { openFeeds, snapshotOptions } from './open-inputs.js';
export { placeless, weightedHooks } from './parts.js';
export { GlobalPercLoss, perceptual } from './perceptual.js';
export type { PerceptualDescription } from './perceptual-description.js';
export type { MakeProjector, Projector } from './projector.js';
export { type RelationalLoss, RKDAngleLoss, RKDDistanceLoss } from './relational.js';
export { REPALoss } from './repa.js';
export { computed } from './run.js';
export { SumDescription } from './sum-description.js';
export { TeacherStudentLoss, type TeacherStudentOptions } from './teacher-student.js';
export { UnitLengthLoss } from './unit-length.js';
