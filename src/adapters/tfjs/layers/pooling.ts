/** Pooling over windows and over whole images. */
import { nn, type Tensor } from '../../../index.js';
import { Computed } from './computed.js';
import { type Converter, type KerasLayer, refuse } from './layer.js';
import { emit, ints, string } from './layout.js';

interface PoolConfig {
  readonly poolSize: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: 'same' | 'valid';
}

/** Padding 'same' as of convolutions; it counts neither for the maximum nor for the mean. */
const samePool = (op: 'MaxPool' | 'AveragePool', { poolSize, strides }: PoolConfig) => {
  const attributes = { kernel_shape: ints(poolSize), strides: ints(strides), auto_pad: string('SAME_UPPER') };
  return (x: Tensor): Tensor => emit(op, [x], attributes);
};

/** ONNX Runtime takes no 'same' maximum whose windows leave gaps; windows of one pixel need no padding. */
function maxPool(layer: KerasLayer<PoolConfig>): nn.Module {
  const { poolSize, strides, padding } = layer.config;
  if (padding === 'valid' || poolSize.every((size) => size === 1))
    return new nn.MaxPool2d(poolSize, { stride: strides });
  if (strides.some((step, i) => step > (poolSize[i] as number))) {
    refuse(layer, `strides [${strides}] above poolSize [${poolSize}] are not supported with padding 'same'`);
  }
  return new Computed('MaxPool2d', samePool('MaxPool', layer.config));
}

const avgPool = ({ config }: KerasLayer<PoolConfig>): nn.Module =>
  config.padding === 'same'
    ? new Computed('AvgPool2d', samePool('AveragePool', config))
    : new nn.AvgPool2d(config.poolSize, { stride: config.strides });

export const poolingLayers: Readonly<Record<string, Converter>> = {
  MaxPooling2D: maxPool,
  AveragePooling2D: avgPool,
  GlobalAveragePooling2D: () => new Computed('AdaptiveAvgPool2d', (x) => x.mean([2, 3])),
  GlobalMaxPooling2D: () => new Computed('AdaptiveMaxPool2d', (x) => x.amax([2, 3])),
};
