/** Layers that move, add or leave out elements, scale them, or do nothing in inference. */
import { nn, type Tensor } from '../../../index.js';
import { Computed } from './computed.js';
import type { Converter, KerasLayer } from './layer.js';
import { emit, fromKeras, reshapeSamples, string, toKeras } from './layout.js';

/** Top, bottom; left, right. */
type Sides = readonly [readonly [number, number], readonly [number, number]];

function zeroPadding({ config }: KerasLayer<{ padding: Sides }>): nn.Module {
  const [[top, bottom], [left, right]] = config.padding;
  return new nn.ZeroPad2d([left, right, top, bottom]);
}

function cropping({ config }: KerasLayer<{ cropping: Sides }>): nn.Module {
  const [[top, bottom], [left, right]] = config.cropping;
  return new Computed('Cropping2D', (x) => x.pad([0, 0, -top, -left], [0, 0, -bottom, -right]));
}

/** Pixel o shows the place o/size of the input, between two pixels if need be. */
function bilinear(x: Tensor, size: readonly number[]): Tensor {
  const bytes = new Uint8Array(Float32Array.of(1, 1, ...size).buffer);
  const scales = x.graph.constant({ dtype: 'float32', shape: [4], bytes });
  const attributes = { mode: string('linear'), coordinate_transformation_mode: string('asymmetric') };
  return emit('Resize', [x, undefined, scales], attributes);
}

const upsampling = ({ config: { size, interpolation } }: KerasLayer<{ size: number[]; interpolation: string }>) =>
  interpolation === 'bilinear'
    ? new Computed('Upsample', (x) => bilinear(x, size))
    : new nn.Upsample({ scaleFactor: size });

function reshape({ config }: KerasLayer<{ targetShape: (number | null)[] }>): nn.Module {
  const shape = config.targetShape.map((dim) => dim ?? -1);
  return new Computed('Reshape', (x) => reshapeSamples(x, shape));
}

const permute = ({ config }: KerasLayer<{ dims: number[] }>): nn.Module =>
  new Computed('Permute', (x) => fromKeras(toKeras(x).transpose([0, ...config.dims])));

const rescaling = ({ config }: KerasLayer<{ scale: number; offset: number }>): nn.Module =>
  new Computed('Rescaling', (x) => x.mul(config.scale).add(config.offset));

const nothing = (): nn.Module => new nn.Identity();

export const shapeLayers: Readonly<Record<string, Converter>> = {
  ZeroPadding2D: zeroPadding,
  Cropping2D: cropping,
  UpSampling2D: upsampling,
  Flatten: () => new Computed('Flatten', (x) => reshapeSamples(x, [-1])),
  Reshape: reshape,
  Permute: permute,
  Rescaling: rescaling,
  InputLayer: nothing,
  Dropout: nothing,
  SpatialDropout1D: nothing,
  GaussianNoise: nothing,
  GaussianDropout: nothing,
  AlphaDropout: nothing,
  ActivityRegularization: nothing,
};
