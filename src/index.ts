/**
 * Any pretrained model as a training loss.
 * @module globalperc
 */
/// <reference lib="esnext.disposable" preserve="true" />

export {
  type AdversarialLoss,
  type AdversarialOptions,
  type AdversarialResult,
  AdversarialTrainer,
  type AdversarialWeight,
  AttentionHead,
  type Augmentation,
  ConvHead,
  type DiscriminatorOptions,
  GlobalPercLossDiscriminator,
  Head,
  type HeadKind,
  SelfAttention,
} from './adversarial/index.js';
export type { Progress, StepOptions } from './compile/index.js';
export { type Dataset, type Sample, type SampleTensor, type Substitutes, TensorDataset } from './data/dataset.js';
export { type Batch, DataLoader, type DataLoaderOptions, type StreamOptions } from './data/loader.js';
export type { Sampler } from './data/sampler.js';
export {
  type Body,
  type ConstantData,
  concat,
  type DataType,
  type ErrorCode,
  type ErrorDetails,
  GlobalPercError,
  type Graph,
  type GraphOf,
  type Node,
  type Operand,
  type Shape,
  Tensor,
  type TensorType,
  type TypedArray,
  type Value,
} from './graph/index.js';
export type { DownloadOptions, HubProgress } from './hub/index.js';
export {
  AttentionTransferLoss,
  type CallOptions,
  type Comparison,
  type CompileOptions,
  CosineLoss,
  type CosineLossOptions,
  type CurveOptions,
  DISTS,
  type DISTSOptions,
  type Distance,
  type EncodeAllOptions,
  type EncodeAllProgress,
  type EncodedDataset,
  EncodedTarget,
  type Features,
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  GramLoss,
  type Hook,
  type HookLoss,
  type HookMap,
  type HookSite,
  type InputRange,
  KDLoss,
  type KDLossOptions,
  Loss,
  type LossDescription,
  type LossFunc,
  type LossMap,
  type LossOptions,
  LPIPS,
  type LPIPSOptions,
  type MakeProjector,
  type MapOptions,
  type Network,
  type NetworkLoss,
  type NetworkLossOptions,
  type Normalization,
  NormalizedTensorLoss,
  type Objective,
  type OpenInput,
  type Part,
  type Projector,
  REPALoss,
  type ReducedDistance,
  type Reduction,
  type ReductionOptions,
  type RelationalLoss,
  RKDAngleLoss,
  RKDDistanceLoss,
  type RunContext,
  type Scene,
  type StudentScene,
  type Summand,
  type SynchronousLoss,
  TeacherStudentLoss,
  type TeacherStudentOptions,
  UnitLengthLoss,
  type ValueAndGrad,
  weightCurve,
} from './loss/index.js';
export {
  type InputValue,
  type LoadOptions,
  type LoadProgress,
  loadModel,
  Model,
  type ModelSource,
  type TensorLike,
  TrainableModel,
} from './model/index.js';
export {
  formatTree,
  type HookSelector,
  type ModuleCall,
  type ModuleClass,
  type ModuleTree,
  moduleTree,
  parametersOf,
} from './modules/index.js';
export * as nn from './nn.js';
export * as optim from './optim/index.js';
export type { MemorySize } from './options/index.js';
export { Generator } from './random/index.js';
export type { HostTensor, SessionOptions, Steps } from './runtime/index.js';
export {
  type Checkpoint,
  type Estimate,
  type Evaluation,
  type ExportOptions,
  exportOnnx,
  type InputType,
  type Prediction,
  type PredictOptions,
  type StepInput,
  type StepResult,
  Trainer,
  type TrainerOptions,
  toOnnx,
} from './train/index.js';
export * as transforms from './transforms/index.js';
export * as models from './zoo/index.js';
