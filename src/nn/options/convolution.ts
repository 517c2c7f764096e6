/** Options of the convolutions. */
import type { Shape } from '../../graph/index.js';
import { type Check, type Checks, count, oneOf } from '../../options/index.js';
import { type PerAxis, perAxis } from '../sizes.js';

/** Zeros at both ends: so many, or by name. */
export type ConvolutionPadding = PerAxis | 'same' | 'valid';

/** Options of the functional convolutions. */
export interface ConvolveOptions {
  /** Default 1. */
  readonly stride?: PerAxis;
  /** Zeros added at both ends; `same` keeps the size (stride 1), `valid` adds none. Default 0. */
  readonly padding?: ConvolutionPadding;
  /** Default 1. */
  readonly dilation?: PerAxis;
  /** Default 1. */
  readonly groups?: number;
}

/** Options of the functional transposed convolutions. */
export interface ConvolveTransposedOptions {
  /** Default 1. */
  readonly stride?: PerAxis;
  /** Elements left out at both ends of the result. Default 0. */
  readonly padding?: PerAxis;
  /** Elements added at the end of the result. Default 0. */
  readonly outputPadding?: PerAxis;
  /** Default 1. */
  readonly groups?: number;
  /** Default 1. */
  readonly dilation?: PerAxis;
}

const convPadding =
  (axes: number): Check<ConvolutionPadding> =>
  (value, where) =>
    typeof value === 'string' ? oneOf('same', 'valid')(value, where) : perAxis(axes, 0)(value, where);

/** What a convolution over so many axes may be given. */
export const convolveChecks = (axes: number): Checks<ConvolveOptions> => ({
  stride: perAxis(axes),
  padding: convPadding(axes),
  dilation: perAxis(axes),
  groups: count,
});

/** What a transposed convolution over so many axes may be given. */
export const convolveTransposedChecks = (axes: number): Checks<ConvolveTransposedOptions> => ({
  stride: perAxis(axes),
  padding: perAxis(axes, 0),
  outputPadding: perAxis(axes, 0),
  groups: count,
  dilation: perAxis(axes),
});

/** Padding before and after each axis. `same` puts the odd element behind, as PyTorch does. */
export function paddingOf(
  padding: ConvolutionPadding,
  kernel: Shape,
  dilation: readonly number[],
): [number[], number[]] {
  if (padding === 'same') {
    const total = kernel.map((size, i) => (size - 1) * (dilation[i] as number));
    return [total.map((count) => Math.floor(count / 2)), total.map((count) => Math.ceil(count / 2))];
  }
  const both = perAxis(kernel.length, 0)(padding === 'valid' ? 0 : padding, 'padding');
  return [[...both], [...both]];
}
