/** Rearrangements of elements and changes of type that stand one behind the other: written as one, or as none. */
import { attributesOf, type DataType, type Graph, int, type Node, sizeOf, Tensor } from '../graph/index.js';
import type { Rewrite } from './transcribe.js';

const RESHAPING = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);
const CASTING = new Set(['Cast', 'CastLike']);

/** What stands in front of the node that computes a tensor, where that is one of some operators. */
function behind(x: Tensor, operators: ReadonlySet<string>, graph: Graph): { node: Node; source: Tensor } | undefined {
  const node = x.value.producer;
  const source = node?.inputs[0];
  return node && source && node.domain === '' && operators.has(node.op)
    ? { node, source: new Tensor(graph, source) }
    : undefined;
}

const isOf = ({ op, domain }: Node, operators: ReadonlySet<string>): boolean => domain === '' && operators.has(op);

/** Reshape, Squeeze, Unsqueeze and Flatten → Reshape, which other rules know; one for those of one another, or none where the shape is that of the beginning. */
export const joinReshapes: Rewrite = (node, [x], target) => {
  const shape = node.outputs[0]?.shape;
  if (!isOf(node, RESHAPING) || !x || !shape) return undefined;
  const source = behind(x, RESHAPING, target)?.source;
  return source || node.op !== 'Reshape' ? [(source ?? x).reshape(shape)] : undefined;
};

const TRANSPOSE = new Set(['Transpose']);

/** The axes that a Transpose of so many puts one behind the other. */
export const permutationOf = (node: Node, rank: number): readonly number[] =>
  attributesOf(node).ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);

/** Two permutations → one, or none; one that moves no elements, but dimensions of 1 → a Reshape, which copies nothing. */
export const joinTransposes: Rewrite = (node, [x], target) => {
  if (!isOf(node, TRANSPOSE) || !x) return undefined;
  const permutation = permutationOf(node, x.rank);
  const moved = permutation.filter((axis) => x.dim(axis) !== 1);
  if (moved.every((axis, i) => i === 0 || axis > (moved[i - 1] as number)))
    return [x.reshape(permutation.map((axis) => x.dim(axis)))];
  const found = behind(x, TRANSPOSE, target);
  if (found === undefined) return undefined;
  const first = permutationOf(found.node, x.rank);
  return [found.source.transpose(permutation.map((axis) => first[axis] as number))];
};

/** A product of two matrices, one of them transposed → Gemm, which reads it as it lies. */
export const joinProducts: Rewrite = (node, [a, b], target) => {
  const shape = node.outputs[0]?.shape;
  if (node.op !== 'MatMul' || node.domain !== '' || a?.dtype !== 'float32' || !b || !shape) return undefined;
  if (!isMatrix(a) || !isMatrix(b)) return undefined;
  const [left, right] = [untransposed(a, target), untransposed(b, target)];
  if (!left && !right) return undefined;
  const factors = [left ?? a, right ?? b].map((x) => x.reshape(x.shape.slice(-2)));
  const attributes = { transA: int(Number(left !== undefined)), transB: int(Number(right !== undefined)) };
  return [(target.emit('Gemm', factors, attributes)[0] as Tensor).reshape(shape)];
};

/** A Gemm of what is transposed → one of what is not, such as a weight, which lies as the gradient of a Linear reads it. */
export const joinGemms: Rewrite = (node, [a, b, c], target) => {
  if (node.op !== 'Gemm' || node.domain !== '' || !a || !b) return undefined;
  const [left, right] = [untransposed(a, target), untransposed(b, target)];
  if (!left && !right) return undefined;
  const given = attributesOf(node);
  const turned = (name: 'transA' | 'transB', isTurned: boolean) => int(Number((given.int(name, 0) !== 0) !== isTurned));
  const attributes = { transA: turned('transA', left !== undefined), transB: turned('transB', right !== undefined) };
  return target.emit('Gemm', [left ?? a, right ?? b, c], { ...node.attributes, ...attributes });
};

const isMatrix = ({ shape, rank }: Tensor): boolean => rank > 1 && sizeOf(shape.slice(0, -2)) === 1;

/** What a matrix is the transpose of. */
function untransposed(x: Tensor, graph: Graph): Tensor | undefined {
  const found = behind(x, TRANSPOSE, graph);
  const permutation = found && permutationOf(found.node, x.rank);
  return permutation?.at(-1) === x.rank - 2 && permutation.at(-2) === x.rank - 1 ? found?.source : undefined;
}

/** The types that hold every number of a type. */
const WIDER: Partial<Record<DataType, readonly DataType[]>> = {
  bool: ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float16', 'float32', 'float64'],
  int8: ['int16', 'int32', 'int64', 'float16', 'float32', 'float64'],
  uint8: ['int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float16', 'float32', 'float64'],
  int16: ['int32', 'int64', 'float32', 'float64'],
  uint16: ['int32', 'uint32', 'int64', 'uint64', 'float32', 'float64'],
  int32: ['int64', 'float64'],
  uint32: ['int64', 'uint64', 'float64'],
  float16: ['float32', 'float64'],
  bfloat16: ['float32', 'float64'],
  float32: ['float64'],
};

/** A Cast of what was cast to a type that loses nothing → of what was there before, or none where that had the type. */
export const joinCasts: Rewrite = (node, [x], target) => {
  const dtype = node.outputs[0]?.dtype;
  if (!isOf(node, CASTING) || !x || !dtype) return undefined;
  const source = behind(x, CASTING, target)?.source;
  return source && WIDER[source.dtype]?.includes(x.dtype) ? [source.cast(dtype)] : undefined;
};
