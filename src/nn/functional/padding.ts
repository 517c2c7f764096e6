/** Borders around the last axes. */
import { GlobalPercError, string, type Tensor } from '../../graph/index.js';
import { type Checks, checkOptions, integer, listOf, number, oneOf } from '../../options/index.js';

/** What a border is filled with: a value, or the input mirrored, its edge repeated, or continued from the other side. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

interface Filling {
  /** ONNX's name of the mode. */
  readonly onnx: string;
  /** How many elements it can add to an axis, given its size and how many are removed from it. */
  readonly limit: (size: number, removed: number) => number;
}

const MODES: Readonly<Record<PadMode, Filling>> = {
  constant: { onnx: 'constant', limit: () => Number.POSITIVE_INFINITY },
  reflect: { onnx: 'reflect', limit: (size) => size - 1 },
  replicate: { onnx: 'edge', limit: () => Number.POSITIVE_INFINITY },
  circular: { onnx: 'wrap', limit: (size, removed) => size - removed },
};

const added = (counts: readonly number[]): number[] => counts.map((count) => Math.max(count, 0));
const removed = (counts: readonly number[]): number[] => counts.map((count) => Math.min(count, 0));

/** Options of pad. */
export interface PadOptions {
  /** Default `constant`. */
  readonly mode?: PadMode;
  /** For mode `constant`. Default 0. */
  readonly value?: number;
}

const checks: Checks<PadOptions> = { mode: oneOf('constant', 'reflect', 'replicate', 'circular'), value: number() };

/**
 * Adds `padding` = (left, right, top, bottom, front, back), the last axis first; negative counts remove elements
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html).
 * @throws GlobalPercError when a count lacks its pair, or a border is wider than its mode can fill.
 */
export function pad(x: Tensor, padding: readonly number[], options: PadOptions = {}): Tensor {
  const { mode = 'constant', value = 0 } = checkOptions(options, checks, 'pad');
  const { onnx, limit } = MODES[mode];
  listOf(integer())(padding, 'pad: padding');
  if (padding.length % 2 === 1 || padding.length > 2 * x.rank) {
    throw new GlobalPercError(`pad: [${padding}] should be two integers for each of the last axes of [${x.shape}]`, {
      code: 'invalid-argument',
    });
  }
  const counts = (end: number): number[] => x.shape.map((_, axis) => padding[2 * (x.rank - 1 - axis) + end] ?? 0);
  const [before, after] = [counts(0), counts(1)];
  for (const [axis, size] of x.shape.entries()) {
    const [first, last] = [before[axis] as number, after[axis] as number];
    const lost = Math.max(-first, 0) + Math.max(-last, 0);
    if (Math.max(first, last) > limit(size, lost) || size + first + last < 1) {
      throw new GlobalPercError(`pad: '${mode}' cannot add ${first} and ${last} to axis ${axis} of [${x.shape}]`, {
        code: 'invalid-argument',
      });
    }
  }
  if (mode === 'constant') return x.pad(before, after, value);
  const cropped = (image: Tensor): Tensor => image.pad(removed(before), removed(after));
  const filled = (image: Tensor): Tensor => {
    const pads = [...added(before), ...added(after)];
    if (pads.every((count) => count === 0)) return image;
    return image.graph.emit('Pad', [image, image.graph.ints(pads)], { mode: string(onnx) })[0] as Tensor;
  };
  // PyTorch continues what is left of the input, but mirrors and repeats all of it.
  return mode === 'circular' ? filled(cropped(x)) : cropped(filled(x));
}
