/** The layers as functions of tensors, by the names of torch.nn.functional (https://pytorch.org/docs/stable/nn.functional.html). */
export {
  elu,
  gelu,
  hardsigmoid,
  hardswish,
  leakyRelu,
  logSoftmax,
  mish,
  prelu,
  relu,
  relu6,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from './activation.js';
export { type ScaledDotProductAttentionOptions, scaledDotProductAttention } from './attention.js';
export { batchNorm, batchStatistics } from './batch-norm.js';
export {
  convolve as conv1d,
  convolve as conv2d,
  convolve as conv3d,
  convolveTransposed as convTranspose1d,
  convolveTransposed as convTranspose2d,
  convolveTransposed as convTranspose3d,
} from './convolution.js';
export { dropout } from './dropout.js';
export { embedding } from './embedding.js';
export { linear } from './linear.js';
export {
  type AffineOptions,
  groupNorm,
  instanceNorm,
  layerNorm,
  type NormalizeOptions,
  normalize,
  rmsNorm,
} from './normalization.js';
export { type PadOptions, pad } from './padding.js';
export {
  adaptiveAvgPool2d,
  avgPool as avgPool1d,
  avgPool as avgPool2d,
  avgPool as avgPool3d,
  maxPool as maxPool1d,
  maxPool as maxPool2d,
  maxPool as maxPool3d,
} from './pooling.js';
export { interpolate, pixelShuffle, pixelUnshuffle } from './upsampling.js';
