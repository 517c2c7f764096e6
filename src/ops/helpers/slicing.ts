/** Index arithmetic of Slice (https://onnx.ai/onnx/operators/onnx__Slice.html). */
import { normalizeAxis, type Tensor } from '../../graph/index.js';
import { constantInts, type InferContext } from '../define.js';

import { requireThat } from './fits.js';

/** The elements first, first + step, … (count of them) along one axis. */
export interface SliceBound {
  readonly axis: number;
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** Resolves starts, ends, axes and steps: negative ones count from the end, those outside are clamped. */
export function sliceBounds(context: InferContext, x: Tensor, inputs: readonly (Tensor | undefined)[]): SliceBound[] {
  const [starts = [], ends = [], axes, steps] = inputs.map((input) => constantInts(context, input, 'slice bounds'));
  for (const list of [ends, axes, steps])
    requireThat(
      (list ?? starts).length === starts.length,
      () => `${starts.length} starts do not go with ${list?.length} bounds`,
    );
  return starts.map((start, i) => {
    requireThat(steps?.[i] !== 0, () => 'a step is 0');
    const axis = normalizeAxis(axes?.[i] ?? i, x.rank);
    const size = x.dim(axis);
    const step = steps?.[i] ?? 1;
    const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (index: number): number => Math.min(Math.max(index < 0 ? index + size : index, lowest), highest);
    const first = step > 0 ? clamp(start) : Math.max(0, clamp(start));
    const end = clamp(ends[i] as number);
    return { axis, first, step, count: Math.max(0, Math.ceil((end - first) / step)) };
  });
}

/** The reverse of taking a slice: puts the elements back where they came from, zeros elsewhere. */
export function interleave(dy: Tensor, { axis, first, step, count }: SliceBound, size: number): Tensor {
  if (count === 0) return dy.pad(atAxis(dy, axis, 0), atAxis(dy, axis, size));
  const ascending = step > 0 ? dy : dy.flip([axis]);
  const stride = Math.abs(step);
  const start = step > 0 ? first : first + step * (count - 1);
  const spread = stride === 1 ? ascending : withGaps(ascending, axis, stride);
  const length = spread.dim(axis);
  return spread.pad(atAxis(dy, axis, start), atAxis(dy, axis, size - start - length));
}

/** Inserts stride − 1 zeros behind each element but the last. */
function withGaps(x: Tensor, axis: number, stride: number): Tensor {
  const column = x.unsqueeze([axis + 1]);
  const gaps = column.pad(atAxis(column, axis + 1, 0), atAxis(column, axis + 1, stride - 1));
  const merged = gaps.reshape(x.shape.map((dim, i) => (i === axis ? dim * stride : dim)));
  return merged.slice([axis], [0], [x.dim(axis) * stride - stride + 1]);
}

const atAxis = (x: Tensor, axis: number, count: number): number[] => x.shape.map((_, i) => (i === axis ? count : 0));
