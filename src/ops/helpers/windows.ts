/** Sliding windows of convolution and pooling: padding, strides and output sizes, one spatial axis at a time. */
import { type AttributeReader, GlobalPercError, type Shape } from '../../graph/index.js';

/** Window o covers the places o·stride + k·dilation − before, 0 ≤ k < kernel. */
export interface WindowAxis {
  /** Length of the axis the windows slide over. */
  readonly size: number;
  /** Number of windows. */
  readonly count: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding in front of and behind the axis. */
  readonly before: number;
  readonly after: number;
}

/** A window axis before its padding and number of windows are known. */
export type WindowStep = Pick<WindowAxis, 'kernel' | 'stride' | 'dilation'>;

/** Places from a window's first element to its last. */
export const extent = ({ kernel, dilation }: WindowStep): number => (kernel - 1) * dilation + 1;

/** Padding behind the axis with which the last window ends exactly; negative where a remainder is left over. */
export const exactAfter = (axis: WindowAxis): number =>
  (axis.count - 1) * axis.stride + extent(axis) - axis.size - axis.before;

/** `strides` and `dilations` per spatial axis. */
export function windowSteps(attributes: AttributeReader, kernel: readonly number[]): WindowStep[] {
  const read = (name: string): readonly number[] => {
    const values = attributes.ints(name) ?? kernel.map(() => 1);
    if (values.length === kernel.length) return values;
    throw new GlobalPercError(`'${name}' has ${values.length} entries for ${kernel.length} spatial axes`, {
      code: 'invalid-model',
    });
  };
  const [strides, dilations] = [read('strides'), read('dilations')];
  return kernel.map((k, i) => ({ kernel: k, stride: strides[i] as number, dilation: dilations[i] as number }));
}

/**
 * The windows of Conv and the pools over the spatial axes of an input [batch, channels, …spatial].
 * @param leastSame The least padding that auto_pad SAME gives: a Conv's is never negative, a pool's is in ONNX Runtime.
 */
export function windowAxes(
  attributes: AttributeReader,
  input: Shape,
  kernel: readonly number[],
  leastSame = 0,
): WindowAxis[] {
  const sizes = input.slice(2);
  if (sizes.length !== kernel.length || sizes.length === 0) {
    throw new GlobalPercError(`a kernel of ${kernel.length} axes does not fit an input of shape [${input}]`, {
      code: 'invalid-argument',
    });
  }
  const ceil = attributes.int('ceil_mode', 0) === 1;
  const axes = windowSteps(attributes, kernel).map((step, i) => {
    const size = sizes[i] as number;
    const [before, after] = padding(attributes, size, step, i, kernel.length, leastSame);
    return { ...step, size, count: windowCount(size, step, before, after, ceil), before, after };
  });
  if (axes.some(({ count }) => count < 1)) throw emptyOutput(axes.map(({ count }) => count));
  return axes;
}

/** An input is too small for an operator. */
export class TooSmallError extends GlobalPercError {
  constructor(message: string) {
    super(message, { code: 'invalid-argument' });
  }
}

/** Nothing would be left of the input. */
export const emptyOutput = (sizes: Shape): TooSmallError =>
  new TooSmallError(`its output would be ${sizes.map((size) => Math.max(size, 0)).join(' x ')}`);

/** `pads` (all begins, then all ends), or what `auto_pad` makes of it. */
function padding(
  attributes: AttributeReader,
  size: number,
  step: WindowStep,
  i: number,
  rank: number,
  leastSame: number,
): [number, number] {
  const automatic = attributes.string('auto_pad', 'NOTSET');
  if (automatic === 'VALID') return [0, 0];
  const pads = attributes.ints('pads');
  if (automatic === 'NOTSET') return [pads?.[i] ?? 0, pads?.[i + rank] ?? 0];
  if (step.dilation !== 1) {
    // Its Conv refuses it; its pools pad as if there were no dilation, but declare the shape there is with it.
    const message = `ONNX Runtime does not compute auto_pad ${automatic} with dilations; export the model with explicit pads`;
    throw new GlobalPercError(message, { code: 'unsupported-operator' });
  }
  const total = (Math.ceil(size / step.stride) - 1) * step.stride + step.kernel - size;
  return splitPadding(Math.max(total, leastSame), automatic === 'SAME_UPPER');
}

/** Halves of a total padding; the odd element goes behind if `upper`, else in front. */
export function splitPadding(total: number, upper: boolean): [number, number] {
  const before = Math.trunc((upper ? total : total + 1) / 2);
  return [before, total - before];
}

/** ⌊(size + padding − extent)/stride⌋ + 1, or with ⌈⌉ if `ceil`; no window may start in the padding behind. */
function windowCount(size: number, step: WindowStep, before: number, after: number, ceil: boolean): number {
  const steps = (size + before + after - extent(step)) / step.stride;
  if (!ceil) return Math.floor(steps) + 1;
  const count = Math.ceil(steps) + 1;
  return (count - 1) * step.stride >= size + before ? count - 1 : count;
}
