/** Padding (https://onnx.ai/onnx/operators/onnx__Pad.html). */
import { normalizeAxis, type Tensor } from '../graph/index.js';
import { constantInts, defineOp, type InferContext } from './define.js';
import { gatherGradient } from './scatter.js';

/** Elements added (or, when negative, removed) at both ends of every axis. */
interface Padding {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function paddingOf(context: InferContext, x: Tensor, pads: Tensor | undefined, axesInput: Tensor | undefined): Padding {
  const counts = constantInts(context, pads, 'pads') ?? [];
  const axes = constantInts(context, axesInput, 'axes')?.map((axis) => normalizeAxis(axis, x.rank)) ?? x.shape.map((_, i) => i);
  const at = (axis: number, offset: number): number => (axes.includes(axis) ? (counts[axes.indexOf(axis) + offset] ?? 0) : 0);
  return { before: x.shape.map((_, i) => at(i, 0)), after: x.shape.map((_, i) => at(i, axes.length)) };
}

/**
 * constant: ∂x = dy without the border, ∂value = the sum of dy over the border.
 * reflect, edge, wrap: what the border copied flows back to where it was copied from, axis by axis.
 */
export const Pad = defineOp({
  infer: (context, x, pads, _value, axes) => {
    const { before, after } = paddingOf(context, x, pads, axes);
    return { dtype: x.dtype, shape: x.shape.map((dim, i) => dim + (before[i] as number) + (after[i] as number)) };
  },
  vjp: (context, x, pads, _value, axes) => {
    const { dy, attributes } = context;
    const mode = attributes.string('mode', 'constant');
    const padding = paddingOf(context, x, pads, axes);
    const unpadded = (): Tensor => dy.pad(padding.before.map(negate), padding.after.map(negate));
    if (mode === 'constant') return [unpadded, null, () => dy.sum().sub(borderless(dy, padding).sum()), null];
    return [() => x.shape.reduce((gradient, _, axis) => foldBorder(gradient, x, axis, padding, mode), dy), null, null, null];
  },
});

const negate = (count: number): number => (count === 0 ? 0 : -count);

/** The part of dy that copies x. */
const borderless = (dy: Tensor, { before, after }: Padding): Tensor =>
  dy.pad(before.map((count) => Math.min(0, -count)), after.map((count) => Math.min(0, -count)));

/** Along one axis: each element's gradient is the sum over all places that show it. */
function foldBorder(dy: Tensor, x: Tensor, axis: number, { before, after }: Padding, mode: string): Tensor {
  const [start, end] = [before[axis] as number, after[axis] as number];
  if (start === 0 && end === 0) return dy;
  const shown = Array.from({ length: dy.dim(axis) }, (_, i) => shownElement(i - start, x.dim(axis), mode));
  return gatherGradient(dy, dy.graph.ints(shown), axis, x.dim(axis));
}

/** Which element of the axis a position outside [0, size) repeats. */
function shownElement(position: number, size: number, mode: string): number {
  if (mode === 'edge') return Math.min(Math.max(position, 0), size - 1);
  if (mode === 'wrap') return ((position % size) + size) % size;
  const period = Math.max(1, 2 * (size - 1));
  const folded = ((position % period) + period) % period;
  return folded < size ? folded : period - folded;
}
