/** Sampling an image at the places of a grid: which elements a sample mixes, their shares, and how shares change. */
import { type AttributeReader, constantOf, int, type Shape, sizeOf, type Tensor } from '../../graph/index.js';
import { scatterElementsAdd } from './scatter.js';

type Mode = keyof typeof SHARES;

/** How samples are taken. */
interface Sampling {
  readonly mode: Mode;
  readonly padding: string;
  /** −1 and 1 are the centres of the outermost elements, not their outer edges. */
  readonly aligned: boolean;
}

/** Elements of the image that make up samples, N images with P places each: [N, elements per sample, P]. */
export interface Taps {
  /** The element's number on its axis, or in the whole flattened image. */
  readonly index: Tensor;
  readonly share: Tensor;
  /** ∂share/∂coordinate, one per coordinate; none where shares are constant. */
  readonly slopes: readonly Tensor[];
}

/** Keys' coefficient. */
const A = -0.75;

/** Shares of the elements from `first` on after the place rounded down, as polynomials in the remainder t: [1, t, t² …]. */
const SHARES = {
  nearest: { first: 0, polynomials: [[1]] },
  linear: {
    first: 0,
    polynomials: [
      [1, -1],
      [0, 1],
    ],
  },
  cubic: {
    first: -1,
    polynomials: [
      [0, A, -2 * A, A],
      [1, 0, -A - 3, A + 2],
      [0, -A, 2 * A + 3, -A - 2],
      [0, 0, A, -A],
    ],
  },
} as const;

export const samplingOf = (attributes: AttributeReader): Sampling => ({
  mode: attributes.string('mode', 'linear') as Mode,
  padding: attributes.string('padding_mode', 'zeros'),
  aligned: attributes.int('align_corners', 0) === 1,
});

/** Places on one axis of an image, [N, 1, P] in elements, and how far they move per unit of what they come from. */
interface AxisPlaces {
  readonly places: Tensor;
  readonly size: number;
  readonly step: number;
}

/** What every place of a grid [N, …, coordinates] samples of an image with these spatial sizes. */
export function tapsOf(grid: Tensor, sizes: Shape, sampling: Sampling): Taps {
  const coordinates = grid.reshape([grid.dim(0), -1, sizes.length]);
  const axes = sizes.map((size, axis): AxisPlaces => {
    const at = sizes.length - 1 - axis; // a grid names the last axis first
    const coordinate = coordinates.slice([2], [at], [at + 1]).swapAxes(1, 2);
    const step = (sampling.aligned ? size - 1 : size) / 2;
    return { places: placeOf(coordinate, size, sampling.aligned), size, step };
  });
  const taps = tapsAt(axes, sampling);
  return { ...taps, slopes: taps.slopes.toReversed() };
}

/** Sampling between elements, zeros outside: how DeformConv and torch's bilinear samplers read an image. */
export const BILINEAR: Sampling = { mode: 'linear', padding: 'zeros', aligned: false };

/** What the places sample of an image with the axes' sizes; slopes in the order of the axes. */
export function tapsAt(places: readonly AxisPlaces[], sampling: Sampling): Taps {
  const sizes = places.map(({ size }) => size);
  const strides = sizes.map((_, axis) => sizeOf(sizes.slice(axis + 1)));
  const axes = places.map((each, axis) =>
    mapTaps(axisTaps(each, sampling), (tensor) => spread(tensor, axis, sizes.length)),
  );
  const index = axes.map((taps, axis) => taps.index.mul(strides[axis] as number)).reduce((sum, part) => sum.add(part));
  const shares = axes.map(({ share }) => share);
  const product = (factors: readonly Tensor[]): Tensor => factors.reduce((all, factor) => all.mul(factor));
  const slopes = axes.flatMap((taps, axis) => taps.slopes.map((slope) => product(shares.with(axis, slope))));
  return mapTaps({ index, share: product(shares), slopes }, joined);
}

/** The taps' elements of an image [N, C, elements]: [N, C, taps, P]. */
export function elementsAt(image: Tensor, { index }: Taps): Tensor {
  const elements = image.graph.emit('GatherElements', [image, everyChannel(image, index)], { axis: int(2) });
  return (elements[0] as Tensor).reshape([image.dim(0), image.dim(1), index.dim(1), index.dim(2)]);
}

/** ∂image [N, C, elements] of samples with gradient dy [N, C, P]: ∂x[i] = Σ wₖ·dy over the places with iₖ = i. */
export function imageGradient(image: Tensor, { index, share }: Taps, dy: Tensor): Tensor {
  const at = everyChannel(image, index);
  return scatterElementsAdd(
    image.zerosLike(),
    at,
    dy
      .unsqueeze([2])
      .mul(share.unsqueeze([1]))
      .reshape(at.shape),
    2,
  );
}

/** ∂place of every coordinate, [N, P] each: Σₖ (Σ over channels of dy·x[iₖ])·∂wₖ/∂place. */
export function placeGradients(elements: Tensor, { slopes }: Taps, dy: Tensor): Tensor[] {
  const received = elements.mul(dy.unsqueeze([2])).sum([1]);
  return slopes.map((slope) => received.mul(slope).sum([1]));
}

/** Indices of all channels in one row. */
const everyChannel = (image: Tensor, index: Tensor): Tensor =>
  index.reshape([image.dim(0), 1, -1]).expand([image.dim(0), image.dim(1), index.dim(1) * index.dim(2)]);

const mapTaps = ({ index, share, slopes }: Taps, change: (tensor: Tensor) => Tensor): Taps => ({
  index: change(index),
  share: change(share),
  slopes: slopes.map(change),
});

/** [N, taps, P] → [N, 1 …, taps, … 1, P], the taps at `axis` of `rank`. */
function spread(tensor: Tensor, axis: number, rank: number): Tensor {
  const taps = Array.from({ length: rank }, (_, i) => (i === axis ? tensor.dim(1) : 1));
  return tensor.reshape([tensor.dim(0), ...taps, tensor.dim(2)]);
}

/** [N, taps …, P] → [N, all taps, P] */
const joined = (tensor: Tensor): Tensor => tensor.reshape([tensor.dim(0), -1, tensor.dim(-1)]);

/** The taps along one axis. */
function axisTaps({ places: place, size, step }: AxisPlaces, sampling: Sampling): Taps {
  const { mode, padding } = sampling;
  const { first, polynomials } = SHARES[mode];
  const base = mode === 'nearest' ? place.unary('Round') : place.floor();
  const column = (values: readonly number[]): Tensor =>
    place.graph.constant(constantOf(place.dtype, [values.length, 1], values));
  const number = base.add(column(polynomials.map((_, i) => first + i)));
  const evaluate = (terms: readonly (readonly number[])[]): Tensor =>
    terms
      .map(column)
      .reduceRight((sum, term) => sum.mul(place.sub(base)).add(term))
      .expand(number.shape);
  const degrees = polynomials[0].map((_, degree) => polynomials.map((terms) => terms[degree] as number));
  const rises = degrees.slice(1).map((terms, i) => terms.map((term) => term * (i + 1) * step));
  const counts = (share: Tensor): Tensor => (padding === 'zeros' ? share.mul(isInside(number, size)) : share);
  return {
    index: padded(number, size, sampling).cast('int64'),
    share: counts(evaluate(degrees)),
    slopes: rises.length === 0 ? [] : [counts(evaluate(rises)).mul(isMoving(place, size, sampling))],
  };
}

/** Where a coordinate lies among the elements, in ONNX Runtime's order of operations: both have to round alike. */
const placeOf = (coordinate: Tensor, size: number, aligned: boolean): Tensor =>
  aligned
    ? coordinate
        .add(1)
        .div(2)
        .mul(size - 1)
    : coordinate.add(1).mul(size).sub(1).div(2);

const isInside = (number: Tensor, size: number): Tensor =>
  number
    .greaterOrEqual(0)
    .logicalAnd(number.lessOrEqual(size - 1))
    .cast(number.dtype);

/** 0 where padding holds a sample at an outermost element; on the element itself too, as in PyTorch. */
function isMoving(place: Tensor, size: number, { mode, padding, aligned }: Sampling): Tensor | number {
  if (mode !== 'linear' || padding === 'zeros') return 1;
  const inside = padding === 'reflection' ? mirrored(place, size, aligned) : place;
  return inside
    .greater(0)
    .logicalAnd(inside.less(size - 1))
    .cast(place.dtype);
}

/** The element that stands for one outside: the nearest, or its mirror image about the outermost centres or edges. */
function padded(number: Tensor, size: number, { padding, aligned }: Sampling): Tensor {
  const inside = padding === 'reflection' ? mirrored(number, size, aligned) : number;
  return inside.maximum(0).minimum(size - 1);
}

/** A triangular wave: up through 0 … size − 1 and down again, for ever. */
function mirrored(number: Tensor, size: number, aligned: boolean): Tensor {
  const [low, span] = aligned ? [0, Math.max(size - 1, 1)] : [-0.5, size];
  const turns = number
    .sub(low)
    .div(2 * span)
    .floor();
  const phase = number.sub(low).sub(turns.mul(2 * span));
  return phase
    .sub(span)
    .abs()
    .subtractFrom(span + low);
}
