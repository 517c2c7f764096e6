/** Padding (https://onnx.ai/onnx/operators/onnx__Pad.html). */
import { GlobalPercError, normalizeAxis, type Shape, type Tensor } from '../graph/index.js';
import { constantInts, defineOp, type InferContext } from './define.js';
import { requireThat } from './helpers/fits.js';
import { gatherGradient } from './helpers/scatter.js';
import { TooSmallError } from './helpers/windows.js';

/** Elements added (or, when negative, removed) at both ends of every axis. */
interface Padding {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function paddingOf(context: InferContext, x: Tensor, pads: Tensor | undefined, axesInput: Tensor | undefined): Padding {
  const counts = constantInts(context, pads, 'pads') ?? [];
  const axes =
    constantInts(context, axesInput, 'axes')?.map((axis) => normalizeAxis(axis, x.rank)) ?? x.shape.map((_, i) => i);
  requireThat(
    counts.length === 2 * axes.length,
    () => `${axes.length} axes have ${2 * axes.length} pads, got ${counts.length}`,
  );
  const at = (axis: number, offset: number): number =>
    axes.includes(axis) ? (counts[axes.indexOf(axis) + offset] ?? 0) : 0;
  return { before: x.shape.map((_, i) => at(i, 0)), after: x.shape.map((_, i) => at(i, axes.length)) };
}

/**
 * constant: ∂x = dy without the border, ∂value = the sum of dy over the border.
 * reflect, edge, wrap: what the border copied flows back to where it was copied from, axis by axis.
 */
export const Pad = defineOp({
  infer: (context, x, pads, value, axes) => {
    requireThat(value === undefined || value.size === 1, () => `the value is one number, got shape [${value?.shape}]`);
    const mode = context.attributes.string('mode', 'constant');
    if (mode !== 'constant' && !(mode in FOLDS))
      throw new GlobalPercError(
        `mode '${mode}' of Pad is not known; known are constant, ${Object.keys(FOLDS).join(', ')}`,
        { code: 'invalid-model' },
      );
    const { before, after } = paddingOf(context, x, pads, axes);
    if (mode === 'reflect') requireReflected(x.shape, { before, after });
    return { dtype: x.dtype, shape: x.shape.map((dim, i) => dim + (before[i] as number) + (after[i] as number)) };
  },
  vjp: (context, x, pads, value?: Tensor, axes?: Tensor) => {
    const { dy, attributes } = context;
    const mode = attributes.string('mode', 'constant');
    const padding = paddingOf(context, x, pads, axes);
    const unpadded = (): Tensor => dy.pad(padding.before.map(negate), padding.after.map(negate));
    const ofValue = (): Tensor =>
      border(dy, padding)
        .sum()
        .reshape(value?.shape ?? []);
    if (mode === 'constant') return [unpadded, null, ofValue, null];
    const folded = (): Tensor => x.shape.reduce((sum, dim, axis) => foldBorder(sum, dim, axis, padding, mode), dy);
    return [folded, null, null, null];
  },
});

/** @throws TooSmallError where there are not as many elements to reflect, as ONNX Runtime and PyTorch do. */
function requireReflected(shape: Shape, { before, after }: Padding): void {
  for (const [axis, size] of shape.entries()) {
    const [start, end] = [before[axis] as number, after[axis] as number];
    const kept = size + Math.min(start, 0) + Math.min(end, 0);
    const wanted = Math.max(start, end, 0);
    if (wanted > 0 && wanted >= kept)
      throw new TooSmallError(`it reflects ${wanted} elements beside the last of ${kept}`);
  }
}

const negate = (count: number): number => (count === 0 ? 0 : -count);

/** dy with zeros where it copies x. Taken off before summing, since the border is small beside the rest. */
function border(dy: Tensor, { before, after }: Padding): Tensor {
  const [first, last] = [before.map((count) => Math.max(0, count)), after.map((count) => Math.max(0, count))];
  return dy.sub(dy.pad(first.map(negate), last.map(negate)).pad(first, last));
}

/** Along one axis: each element's gradient is the sum over all places that show it. */
function foldBorder(dy: Tensor, size: number, axis: number, { before, after }: Padding, mode: string): Tensor {
  const [start, end] = [before[axis] as number, after[axis] as number];
  if (start === 0 && end === 0) return dy;
  if (start < 0 || end < 0) return foldCropped(dy, size, axis, { before, after }, mode);
  if (Math.max(start, end) < size) return foldNarrow(dy, size, axis, start, end, mode);
  const shown = Array.from({ length: dy.dim(axis) }, (_, i) => shownElement(i - start, size, mode));
  return gatherGradient(dy, dy.graph.ints(shown), axis, size);
}

/** What is cropped takes no part in the copying: the rest is folded alone, with zeros around it. */
function foldCropped(dy: Tensor, size: number, axis: number, { before, after }: Padding, mode: string): Tensor {
  const [start, end] = [before[axis] as number, after[axis] as number];
  const cropped = [Math.max(0, -start), Math.max(0, -end)] as const;
  const border = { before: before.with(axis, Math.max(0, start)), after: after.with(axis, Math.max(0, end)) };
  const folded = foldBorder(dy, size - cropped[0] - cropped[1], axis, border, mode);
  const at = (count: number): number[] => dy.shape.map((_, i) => (i === axis ? count : 0));
  return folded.pad(at(cropped[0]), at(cropped[1]));
}

interface Fold {
  /** The border's gradients in the order of the elements they belong to. */
  readonly turned: (border: Tensor, axis: number) => Tensor;
  /** Where they start on an axis of `size`, for the border before and the one after it. */
  readonly before: (size: number, width: number) => number;
  readonly after: (size: number, width: number) => number;
}

const FOLDS: Readonly<Record<string, Fold>> = {
  reflect: { turned: (border, axis) => border.flip([axis]), before: () => 1, after: (size, width) => size - 1 - width },
  edge: { turned: (border, axis) => border.sum([axis], true), before: () => 0, after: (size) => size - 1 },
  wrap: { turned: (border) => border, before: (size, width) => size - width, after: () => 0 },
};

/** A border narrower than x shows each element at most once per side, so it folds back in one piece. */
function foldNarrow(dy: Tensor, size: number, axis: number, start: number, end: number, mode: string): Tensor {
  const { turned, before, after } = FOLDS[mode] as Fold;
  const part = (from: number, to: number): Tensor => dy.slice([axis], [from], [to]);
  const at = (count: number): number[] => dy.shape.map((_, i) => (i === axis ? count : 0));
  const placed = (border: Tensor, first: number): Tensor => {
    const piece = turned(border, axis);
    return piece.pad(at(first), at(size - first - piece.dim(axis)));
  };
  let sum = part(start, start + size);
  if (start > 0) sum = sum.add(placed(part(0, start), before(size, start)));
  if (end > 0) sum = sum.add(placed(part(start + size, start + size + end), after(size, end)));
  return sum;
}

/** Which element of the axis a position outside [0, size) repeats, in the modes that may repeat one several times. */
const shownElement = (position: number, size: number, mode: string): number =>
  mode === 'edge' ? Math.min(Math.max(position, 0), size - 1) : ((position % size) + size) % size;
