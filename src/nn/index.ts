/** Layers and modules by PyTorch's names, traced into a graph (https://pytorch.org/docs/stable/nn.html). */
export {
  ELU,
  GELU,
  type GELUOptions,
  Hardsigmoid,
  Hardswish,
  LeakyReLU,
  LogSoftmax,
  Mish,
  PReLU,
  type PReLUOptions,
  ReLU,
  ReLU6,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  type SoftplusOptions,
  Tanh,
} from './activation.js';
export { type AttendOptions, MultiheadAttention, type MultiheadAttentionOptions } from './attention.js';
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from './batch-norm.js';
export { ModuleList, Sequential } from './container.js';
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeOptions,
  type PaddingMode,
} from './convolution.js';
export { Dropout } from './dropout.js';
export { Embedding, type EmbeddingOptions } from './embedding.js';
export { Flatten, type FlattenOptions, Identity } from './flatten.js';
export * as functional from './functional.js';
export * as init from './init.js';
export { manualSeed } from './init.js';
export { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, type InstanceNormOptions } from './instance-norm.js';
export { Linear, type LinearOptions } from './linear.js';
export * from './markers.js';
export { type AnyModule, type IncompatibleKeys, Module, type Outputs, type WeightKeeper } from './module.js';
export {
  GroupNorm,
  type GroupNormOptions,
  LayerNorm,
  type LayerNormOptions,
  RMSNorm,
  type RMSNormOptions,
} from './normalization.js';
export {
  CircularPad1d,
  CircularPad2d,
  CircularPad3d,
  ConstantPad1d,
  ConstantPad2d,
  ConstantPad3d,
  type PadMode,
  type PadSizes,
  ReflectionPad1d,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad2d,
  ReplicationPad3d,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
} from './padding.js';
export { Buffer, constantOfHeld, Parameter, type StateDict, type StateTensor } from './parameter.js';
export {
  AdaptiveAvgPool2d,
  type AdaptiveSize,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  type AvgPoolOptions,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  type MaxPoolOptions,
} from './pooling.js';
export type { PerAxis } from './sizes.js';
export { type Bind, Trace, type TracedCall } from './trace.js';
export {
  type InterpolationMode,
  PixelShuffle,
  PixelUnshuffle,
  Upsample,
  type UpsampleOptions,
} from './upsampling.js';
