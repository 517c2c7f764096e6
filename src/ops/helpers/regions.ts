/** What RoiAlign's gradient is made of: where the bins of every region are sampled, one axis at a time. */
import {
  type AttributeReader,
  concat,
  constantOf,
  GlobalPercError,
  int,
  sizeOf,
  type Tensor,
} from '../../graph/index.js';
import type { InferContext } from '../define.js';
import { scatterElementsAdd } from './scatter.js';

/** The samples along one axis of all R regions. */
interface AxisSamples {
  /** Places in elements, held within the image: [R, bins, samples]. */
  readonly places: Tensor;
  /** 1 for a sample in the image or less than one element outside, else 0: [R, bins, samples]. */
  readonly inside: Tensor;
  /** What each sample counts in the mean over its bin: 1/samples, 0 beyond a region's own number; [R or 1, 1, samples]. */
  readonly weight: Tensor;
  readonly size: number;
}

export interface Regions {
  readonly rows: AxisSamples;
  readonly columns: AxisSamples;
}

/** The samples of regions [R, 4]: left, top, right, bottom. */
export function regionsOf(context: InferContext, x: Tensor, rois: Tensor): Regions {
  return {
    rows: samplesOf(context, x, rois, 2, 'output_height'),
    columns: samplesOf(context, x, rois, 3, 'output_width'),
  };
}

function samplesOf(context: InferContext, x: Tensor, rois: Tensor, axis: number, output: string): AxisSamples {
  const { attributes } = context;
  const bins = attributes.int(output, 1);
  const [size, side] = [x.dim(axis), 3 - axis];
  const scaled = rois.mul(attributes.float('spatial_scale', 1)).sub(isHalfPixel(attributes) ? 0.5 : 0);
  const edge = (at: number): Tensor => scaled.slice([1], [at], [at + 1]).unsqueeze([2]);
  const whole = edge(side + 2).sub(edge(side));
  const bin = (isHalfPixel(attributes) ? whole : whole.maximum(1)).div(bins);
  const counts = sampleCounts(context, rois, side, bins);
  const samples = Math.max(1, ...counts);
  const count = x.graph.constant(constantOf(x.dtype, [counts.length, 1, 1], counts));
  const divisor = count.maximum(1);
  // In the runtime's order of operations: both have to round alike where a sample comes to lie on an edge.
  const place = edge(side)
    .add(bin.mul(counting(x, [bins, 1])))
    .add(bin.mul(counting(x, [1, samples], 0.5)).div(divisor));
  return {
    places: place.maximum(0).minimum(size - 1),
    inside: place.greaterOrEqual(-1).logicalAnd(place.lessOrEqual(size)).cast(x.dtype),
    weight: counting(x, [samples]).less(count).cast(x.dtype).div(divisor),
    size,
  };
}

/** 0, 1, 2 … in the type of a tensor, from `first` on. */
const counting = (like: Tensor, shape: readonly number[], first = 0): Tensor =>
  like.graph.constant(
    constantOf(
      like.dtype,
      shape,
      Array.from({ length: sizeOf(shape) }, (_, i) => first + i),
    ),
  );

const isHalfPixel = (attributes: AttributeReader): boolean =>
  attributes.string('coordinate_transformation_mode', 'half_pixel') === 'half_pixel';

/** Samples per bin along an axis: one number for all regions, or one per region, about one per element of the image. */
function sampleCounts({ attributes, node }: InferContext, rois: Tensor, side: number, bins: number): number[] {
  const ratio = attributes.int('sampling_ratio', 0);
  if (ratio > 0) return [ratio];
  const values = rois.constantValues();
  if (values === undefined) {
    throw new GlobalPercError(
      `${node.op} '${node.name}': sampling_ratio 0 takes as many samples as a region is large, but the regions depend on ` +
        'the data; export the model with a sampling_ratio above 0 (torchvision and detectron2 use 2)',
      { code: 'unsupported-operator' },
    );
  }
  const { fround } = Math;
  const [scale, shift] = [fround(attributes.float('spatial_scale', 1)), isHalfPixel(attributes) ? 0.5 : 0];
  const edge = (region: number, at: number): number =>
    fround(fround((values[4 * region + at] as number) * scale) - shift);
  return Array.from({ length: rois.dim(0) }, (_, region) => {
    const whole = fround(edge(region, side + 2) - edge(region, side));
    return Math.max(0, Math.ceil(fround((isHalfPixel(attributes) ? whole : Math.max(whole, 1)) / bins)));
  });
}

/** ∂x[n] = Σ over the regions of image n of rowsᵀ·dy·columns, the means over bins as matrices. */
export function averageGradient(dy: Tensor, x: Tensor, batch: Tensor, { rows, columns }: Regions): Tensor {
  const [images, channels, height, width] = x.shape as [number, number, number, number];
  if (dy.dim(0) === 0) return x.zerosLike();
  const spread = dy
    .matmul(meansOf(columns).unsqueeze([1]))
    .transpose([0, 2, 1, 3])
    .reshape([-1, channels * width]);
  const numbers = counting(x, [images, 1]).cast(batch.dtype);
  const own = numbers.equal(batch).cast(x.dtype).reshape([images, 1, -1, 1]);
  const means = meansOf(rows).transpose([2, 0, 1]).mul(own).reshape([images, height, -1]);
  return means.matmul(spread).reshape([images, height, channels, width]).transpose([0, 2, 1, 3]);
}

/** The mean over each bin as a matrix [R, bins, size]: an element's share of a sample falls with its distance. */
function meansOf({ places, inside, weight, size }: AxisSamples): Tensor {
  const shares = places
    .unsqueeze([3])
    .sub(counting(places, [size]))
    .abs()
    .subtractFrom(1)
    .relu();
  return shares.mul(inside.mul(weight).unsqueeze([3])).sum([2]);
}

/** dy·share at the element whose share of a sample is the largest number of its bin, the first where several are. */
export function maximumGradient(dy: Tensor, x: Tensor, batch: Tensor, { rows, columns }: Regions): Tensor {
  if (dy.dim(0) === 0) return x.zerosLike();
  const [row, column] = [neighboursOf(rows), neighboursOf(columns)];
  const [down, across] = [samples(0), samples(1)];
  const each = [dy.dim(0), dy.dim(2), dy.dim(3), rows.places.dim(2), columns.places.dim(2), 2, 2];
  const flat = (tensor: Tensor): Tensor => tensor.expand(each).reshape([dy.dim(0), 1, dy.dim(2) * dy.dim(3), -1]);
  const element = flat(down(row.index).mul(x.dim(3)).add(across(column.index)));
  const channels = counting(x, [x.dim(1), 1, 1]).cast('int64');
  const plane = batch.cast('int64').reshape([-1, 1, 1, 1]).mul(x.dim(1)).add(channels);
  const index = plane.mul(x.dim(2) * x.dim(3)).add(element);
  const share = flat(down(row.share).mul(across(column.share))).expand(index.shape);
  const taken = flat(down(row.weight).mul(across(column.weight))).greater(0);
  const numbers = taken.where(x.reshape([-1]).gather(index, 0).mul(share), Number.NEGATIVE_INFINITY);
  const [largest] = x.graph.emit('ArgMax', [numbers], { axis: int(3) });
  const pick = (tensor: Tensor): Tensor =>
    (x.graph.emit('GatherElements', [tensor, largest], { axis: int(3) })[0] as Tensor).reshape([-1]);
  const zeros = x.graph.scalar(0, x.dtype).expand([x.size]);
  return scatterElementsAdd(zeros, pick(index), dy.reshape([-1]).mul(pick(share)), 0).reshape(x.shape);
}

/** [R, bins, samples, neighbours] of one axis among [R, rows, columns, samples, samples, neighbours, neighbours]. */
const samples =
  (axis: 0 | 1) =>
  (part: Tensor): Tensor => {
    const [regions, ...pairs] = part.shape as [number, number, number, number];
    return part.reshape([regions, ...pairs.flatMap((count) => (axis === 0 ? [count, 1] : [1, count]))]);
  };

/** The two elements around each sample and their shares, and the samples' weights: [R or 1, bins or 1, samples, 2 or 1]. */
function neighboursOf({ places, inside, weight, size }: AxisSamples): Record<'index' | 'share' | 'weight', Tensor> {
  const low = places.floor();
  const pair = (first: Tensor, second: Tensor): Tensor => concat([first.unsqueeze([3]), second.unsqueeze([3])], 3);
  const beyond = places.sub(low);
  const share = pair(beyond.subtractFrom(1), beyond).mul(
    inside.mul(weight.greater(0).cast(places.dtype)).unsqueeze([3]),
  );
  const index = pair(low, low.add(1).minimum(size - 1)).cast('int64');
  return { index, share, weight: weight.unsqueeze([3]) };
}
