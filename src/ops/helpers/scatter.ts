/** Adding slices up by index: the gradient of every kind of gathering. */
import { constantOf, int, string, type Tensor } from '../../graph/index.js';

/** From this many index values on, a 0/1 matrix product is no longer the cheap way. */
const MATRIX_LIMIT = 2048;

/**
 * Gradient of picking slices along `axis` of a tensor with `size` slices there: dy's slices added up by index.
 * @param indices any shape of dy.dim(axis) elements, known at compile time or not; negative ones count from the end.
 */
export function gatherGradient(dy: Tensor, indices: Tensor, axis: number, size: number): Tensor {
  const known = indices.constantValues()?.map((index) => (index < 0 ? index + size : index));
  if (known && isRun(known)) return placed(dy, axis, known[0] as number, size);
  if (known && known.length * size <= MATRIX_LIMIT ** 2) return byMatrix(dy, known, axis, size);
  const zeros = dy.graph.scalar(0, dy.dtype).expand(dy.shape.map((dim, i) => (i === axis ? size : dim)));
  // ScatterND would take slices, but with several threads ONNX Runtime 1.30 loses updates there when indices repeat.
  const places = indices.reshape(dy.shape.map((dim, i) => (i === axis ? dim : 1))).expand(dy.shape);
  return scatterElementsAdd(zeros, places, dy, axis);
}

const isRun = (indices: readonly number[]): boolean =>
  indices.length > 0 && indices.every((index, i) => index === (indices[0] as number) + i);

/** Consecutive slices: zeros around them. */
function placed(dy: Tensor, axis: number, start: number, size: number): Tensor {
  const at = (count: number): number[] => dy.shape.map((_, i) => (i === axis ? count : 0));
  return dy.pad(at(start), at(size - start - dy.dim(axis)));
}

/** Mᵀ·dy along the axis, with M[i, indices[i]] = 1. */
function byMatrix(dy: Tensor, indices: readonly number[], axis: number, size: number): Tensor {
  const selected = new Float64Array(size * indices.length);
  indices.forEach((index, i) => {
    selected[index * indices.length + i] = 1;
  });
  const matrix = dy.graph.constant(constantOf(dy.dtype, [size, indices.length], selected));
  const front = dy.swapAxes(0, axis);
  const added = matrix.matmul(front.reshape([front.dim(0), -1]));
  return added.reshape([size, ...front.shape.slice(1)]).swapAxes(0, axis);
}

/** Elements added up along `axis` at the places `indices` names (same shape as dy). */
export function scatterElementsAdd(zeros: Tensor, indices: Tensor, dy: Tensor, axis: number): Tensor {
  return zeros.graph.emit('ScatterElements', [zeros, indices, dy], {
    axis: int(axis),
    reduction: string('add'),
  })[0] as Tensor;
}
