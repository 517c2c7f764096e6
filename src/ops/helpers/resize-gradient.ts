/** What Resize is made of: the scale of each axis, and the gradient through the axes' matrices. */
import { type AttributeReader, GlobalPercError, ints, normalizeAxis, type Tensor } from '../../graph/index.js';
import { constantInts, type InferContext } from '../define.js';
import { type Coordinates, type Interpolation, interpolationMatrix, type NearestMode } from './interpolation.js';
import { contractAxis } from './separable.js';

/** One axis of a resized tensor. */
export interface ResizedAxis {
  readonly inSize: number;
  readonly outSize: number;
  readonly scale: number;
}

/** Every axis of x, from `scales` or `sizes`; those the attribute `axes` leaves out keep their size. */
export function resizedAxes(context: InferContext, x: Tensor, scales?: Tensor, sizes?: Tensor): ResizedAxis[] {
  const { attributes } = context;
  const listed = attributes.ints('axes')?.map((axis) => normalizeAxis(axis, x.rank)) ?? x.shape.map((_, i) => i);
  const wantedSizes = sizes?.size ? constantInts(context, sizes, 'the sizes') : undefined;
  const factors = wantedSizes
    ? wantedSizes.map((size, i) => size / x.dim(listed[i] as number))
    : constantInts(context, scales, 'the scales');
  if (factors?.length !== listed.length)
    throw new GlobalPercError('Resize needs one scale or size per axis', { code: 'invalid-model' });
  const policy = attributes.string('keep_aspect_ratio_policy', 'stretch');
  const common = wantedSizes && policy !== 'stretch';
  const kept = policy === 'not_larger' ? Math.min(...factors) : Math.max(...factors);
  const resized = x.shape.map((inSize, axis) => {
    const i = listed.indexOf(axis);
    const scale = i < 0 ? 1 : common ? kept : (factors[i] as number);
    const exact = Math.fround(inSize * scale); // in float32, as the runtime computes it: 0.7·10 is 7
    const outSize = common ? Math.floor(exact + 0.5) : wantedSizes?.[i];
    return { inSize, scale, outSize: outSize ?? Math.floor(exact) };
  });
  // Whatever the scales are, ONNX Runtime copies a tensor whose sizes all stay, and antialiasing any such axis.
  const stays = ({ inSize, outSize }: ResizedAxis): boolean => inSize === outSize;
  const copies = attributes.int('antialias', 0) === 1 || resized.every(stays);
  return resized.map((axis) => (copies && stays(axis) ? { ...axis, scale: 1 } : axis));
}

/** dy contracted with the interpolation matrix of every axis that changes. */
export function resizeGradient(attributes: AttributeReader, dy: Tensor, axes: readonly ResizedAxis[]): Tensor {
  const options = interpolationOf(attributes);
  const repeats = axes.map((axis) => repeatFactor(options, axis));
  if (dy.dtype === 'float32' && axes.length > 2 && repeats[0] === 1 && repeats[1] === 1 && !repeats.includes(0)) {
    return sumBlocks(dy, repeats.slice(2));
  }
  return axes.reduce(
    (sum, { inSize, outSize, scale }, axis) =>
      scale === 1 ? sum : contractAxis(sum, axis, interpolationMatrix({ ...options, scale }, inSize, outSize)),
    dy,
  );
}

function interpolationOf(attributes: AttributeReader): Interpolation {
  const coordinates = attributes.string('coordinate_transformation_mode', 'half_pixel');
  if (coordinates === 'tf_crop_and_resize') {
    throw new GlobalPercError("Resize: no gradient for coordinate_transformation_mode 'tf_crop_and_resize'", {
      code: 'unsupported-operator',
    });
  }
  return {
    coordinates: coordinates as Coordinates,
    mode: attributes.string('mode', 'nearest') as Interpolation['mode'],
    nearest: attributes.string('nearest_mode', 'round_prefer_floor') as NearestMode,
    cubicA: attributes.float('cubic_coeff_a', -0.75),
    excludeOutside: attributes.int('exclude_outside', 0) === 1,
    antialias: attributes.int('antialias', 0) === 1,
  };
}

/** How many times each input element is repeated, where that is all the axis does; else 0. */
function repeatFactor(options: Interpolation, { inSize, outSize, scale }: ResizedAxis): number {
  if (scale === 1) return 1;
  const factor = outSize / inSize;
  if (options.mode !== 'nearest' || !Number.isInteger(factor)) return 0;
  const matrix = interpolationMatrix({ ...options, scale }, inSize, outSize);
  const repeats = Array.from({ length: outSize }, (_, o) => matrix[o * inSize + Math.floor(o / factor)] === 1);
  return repeats.every(Boolean) ? factor : 0;
}

/** Sums over blocks of space, the gradient of repeating each element: a mean over windows times their size. */
function sumBlocks(dy: Tensor, block: readonly number[]): Tensor {
  const attributes = { kernel_shape: ints(block), strides: ints(block) };
  const [means] = dy.graph.emit('AveragePool', [dy], attributes);
  return (means as Tensor).mul(block.reduce((product, size) => product * size, 1));
}
