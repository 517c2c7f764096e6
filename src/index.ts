/** globalperc: any pretrained model as a training loss. */

export type { Progress, StepOptions } from './compile/index.js';
export { type Dataset, type Sample, type SampleTensor, TensorDataset } from './data/dataset.js';
export { type Batch, DataLoader, type DataLoaderOptions } from './data/loader.js';
export { concat, GlobalPercError, Tensor } from './graph/index.js';
export {
  type CallOptions,
  type Comparison,
  CosineLoss,
  type Distance,
  EncodedTarget,
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  type Hook,
  type HookLoss,
  type HookSite,
  Loss,
  type LossDescription,
  type LossFunc,
  type LossOptions,
  NormalizedTensorLoss,
  type Objective,
  type Scene,
  type SynchronousLoss,
  TeacherStudentLoss,
  type ValueAndGrad,
  weightCurve,
} from './loss/index.js';
export {
  type InputValue,
  type LoadOptions,
  type LoadProgress,
  loadModel,
  Model,
  type TensorLike,
  TrainableModel,
} from './model/index.js';
export {
  formatTree,
  type HookSelector,
  type ModuleCall,
  type ModuleTree,
  moduleTree,
  parametersOf,
} from './modules/index.js';
export * as nn from './nn.js';
export * as optim from './optim/index.js';
export { Generator } from './random/index.js';
export type { SessionOptions, Steps } from './runtime/index.js';
export {
  type Checkpoint,
  type ExportOptions,
  exportOnnx,
  type StepResult,
  Trainer,
  type TrainerOptions,
  toOnnx,
} from './train/index.js';
export * as transforms from './transforms/index.js';
export * as models from './zoo/index.js';
