/** Pooling into as many parts as the output has elements. */
import { constantOf, type Tensor } from '../../graph/index.js';
import { type AdaptiveSize, imagePattern, requireShape, sizesOrNull } from '../sizes.js';
import { avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d } from './pooling.js';

type Pool = (x: Tensor, kernelSize: readonly number[]) => Tensor;

/** By number of axes. */
const AVERAGE: Readonly<Record<number, Pool>> = { 1: avgPool1d, 2: avgPool2d, 3: avgPool3d };
const MAXIMUM: Readonly<Record<number, Pool>> = { 1: maxPool1d, 2: maxPool2d, 3: maxPool3d };

/** Part i of `count` along an axis of `size` elements: from ⌊i·size/count⌋ up to ⌈(i + 1)·size/count⌉. */
const partsOf = (size: number, count: number): (readonly [start: number, end: number])[] =>
  Array.from({ length: count }, (_, i) => [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)]);

/** The means of the parts of one axis, as a product with a matrix. */
function meansAlong(x: Tensor, axis: number, count: number): Tensor {
  const size = x.dim(axis);
  if (count === size) return x;
  const rows = partsOf(size, count).map(([start, end]) =>
    Array.from({ length: size }, (_, place) => (place >= start && place < end ? 1 / (end - start) : 0)),
  );
  const matrix = x.graph.constant(constantOf(x.dtype, [count, size], rows.flat()));
  return x
    .swapAxes(axis, -1)
    .matmul(matrix.transpose([1, 0]))
    .swapAxes(axis, -1);
}

/** The parts of one axis one after the other, all as long as the longest: shorter ones repeat their last element. */
function partsAlong(x: Tensor, axis: number, count: number): Tensor {
  const parts = partsOf(x.dim(axis), count);
  const longest = Math.max(...parts.map(([start, end]) => end - start));
  const places = parts.flatMap(([start, end]) =>
    Array.from({ length: longest }, (_, i) => Math.min(start + i, end - 1)),
  );
  return places.every((place, i) => place === i) ? x : x.gather(x.graph.ints(places), axis);
}

/** Sizes of the output, checked. */
function sizesOf(name: string, axes: number, x: Tensor, outputSize: AdaptiveSize): readonly number[] {
  requireShape(name, x, imagePattern(axes));
  return sizesOrNull(axes)(outputSize, `${name}: outputSize`).map((size, i) => size ?? x.dim(i + 2));
}

const average =
  (axes: 1 | 2 | 3) =>
  (x: Tensor, outputSize: AdaptiveSize): Tensor => {
    const sizes = sizesOf(`adaptiveAvgPool${axes}d`, axes, x, outputSize);
    if (sizes.every((size) => size === 1))
      return x.mean(
        sizes.map((_, i) => i + 2),
        true,
      );
    const kernel = sizes.map((size, i) => x.dim(i + 2) / size);
    if (kernel.every(Number.isInteger)) return (AVERAGE[axes] as Pool)(x, kernel);
    return sizes.reduce((means, size, i) => meansAlong(means, i + 2, size), x);
  };

const maximum =
  (axes: 1 | 2 | 3) =>
  (x: Tensor, outputSize: AdaptiveSize): Tensor => {
    const sizes = sizesOf(`adaptiveMaxPool${axes}d`, axes, x, outputSize);
    const parts = sizes.reduce((image, size, i) => partsAlong(image, i + 2, size), x);
    const kernel = sizes.map((size, i) => parts.dim(i + 2) / size);
    return (MAXIMUM[axes] as Pool)(parts, kernel);
  };

/**
 * Means of as many parts of `[B, C, L]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html).
 * @throws GlobalPercError on another rank, and unless all sizes are positive integers.
 */
export const adaptiveAvgPool1d = average(1);

/**
 * Means of as many parts of `[B, C, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html).
 * @throws GlobalPercError on another rank, and unless all sizes are positive integers.
 */
export const adaptiveAvgPool2d = average(2);

/**
 * Means of as many parts of `[B, C, D, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool3d.html).
 * @throws GlobalPercError on another rank, and unless all sizes are positive integers.
 */
export const adaptiveAvgPool3d = average(3);

/**
 * Maxima of as many parts of `[B, C, L]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool1d.html).
 * @throws GlobalPercError on another rank, and unless all sizes are positive integers.
 */
export const adaptiveMaxPool1d = maximum(1);

/**
 * Maxima of as many parts of `[B, C, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html).
 * @throws GlobalPercError on another rank, and unless all sizes are positive integers.
 */
export const adaptiveMaxPool2d = maximum(2);

/**
 * Maxima of as many parts of `[B, C, D, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool3d.html).
 * @throws GlobalPercError on another rank, and unless all sizes are positive integers.
 */
export const adaptiveMaxPool3d = maximum(3);
