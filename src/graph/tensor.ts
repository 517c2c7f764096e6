/**
 * The symbolic tensor: a value in a graph, with the operations of PyTorch's `Tensor` that gradient rules,
 * losses and transforms are written with. Every method appends one standard ONNX node (or none) and returns its output.
 */
import { float, int, ints } from './attributes.js';
import { GlobalPercError, kindOf } from './errors.js';
import { type Attributes, type GraphOf, INTERNAL_DOMAIN, type Value } from './graph.js';
import {
  constantOf,
  type DataType,
  insertAxes,
  normalizeAxis,
  numbersOf,
  ONNX_DTYPE,
  type Shape,
  sameShape,
  sizeOf,
} from './types.js';

/** A graph whose values are handled as tensors. */
export type Graph = GraphOf<Tensor>;

/** A tensor, or a number that becomes a scalar of the other operand's dtype. */
export type Operand = Tensor | number;

/**
 * A value of a graph that is being written, under the names of `torch.Tensor`: a method computes nothing, it adds to the graph.
 * Binary operations broadcast as NumPy does; a negative axis counts from the end.
 * @throws GlobalPercError from the methods, where shapes or dtypes do not go together.
 */
export class Tensor {
  /** The graph it is part of. */
  readonly graph: Graph;
  /** Its value there. */
  readonly value: Value;

  constructor(graph: Graph, value: Value) {
    this.graph = graph;
    this.value = value;
  }

  /** Static dimensions. @throws GlobalPercError when the graph has not been specialised. */
  get shape(): Shape {
    if (this.value.shape === undefined)
      throw new GlobalPercError(
        `the shape of '${this.value.name}' is not known before its graph is made for one input shape`,
        { code: 'invalid-argument' },
      );
    return this.value.shape;
  }

  /** Type of the elements. @throws GlobalPercError as `shape` does. */
  get dtype(): DataType {
    if (this.value.dtype === undefined)
      throw new GlobalPercError(
        `the dtype of '${this.value.name}' is not known before its graph is made for one input shape`,
        { code: 'invalid-argument' },
      );
    return this.value.dtype;
  }

  /** Number of dimensions. @throws GlobalPercError as `shape` does. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Dimension at `axis` (negative counts from the end). */
  dim(axis: number): number {
    return this.shape[normalizeAxis(axis, this.rank)] as number;
  }

  /** The elements, if this is a compile-time constant. */
  constantValues(): number[] | undefined {
    return this.value.constant && numbersOf(this.value.constant);
  }

  /** Emits `op` with this tensor as first input. */
  private call(op: string, others: readonly (Tensor | undefined)[] = [], attributes: Attributes = {}): Tensor {
    return this.graph.emit(op, [this, ...others], attributes)[0] as Tensor;
  }

  private operand(other: Operand): Tensor {
    if (typeof other === 'number') return this.graph.scalar(other, this.dtype);
    if (other instanceof Tensor) return other;
    const message = `a tensor [${this.shape}] goes with another or with a number, got ${kindOf(other)}`;
    throw new GlobalPercError(message, { code: 'invalid-argument' });
  }

  // Elementwise arithmetic, broadcasting as NumPy does.
  /** x + y, elementwise. */
  add(other: Operand): Tensor {
    return this.call('Add', [this.operand(other)]);
  }
  /** x − y, elementwise. */
  sub(other: Operand): Tensor {
    return this.call('Sub', [this.operand(other)]);
  }
  /** `minuend − this`. */
  subtractFrom(minuend: number): Tensor {
    return this.operand(minuend).sub(this);
  }
  /** x·y, elementwise. */
  mul(other: Operand): Tensor {
    return this.call('Mul', [this.operand(other)]);
  }
  /** x/y, elementwise; integers are rounded towards 0. */
  div(other: Operand): Tensor {
    return this.call('Div', [this.operand(other)]);
  }
  /** xʸ, elementwise. */
  pow(exponent: Operand): Tensor {
    return this.call('Pow', [this.operand(exponent)]);
  }
  /** x·x; cheaper than `pow(2)`. */
  square(): Tensor {
    return this.mul(this);
  }
  /** −x, elementwise. */
  neg(): Tensor {
    return this.call('Neg');
  }
  /** |x|, elementwise. */
  abs(): Tensor {
    return this.call('Abs');
  }
  /** −1, 0 or 1, elementwise; no gradient flows. */
  sign(): Tensor {
    return this.call('Sign');
  }
  /** eˣ, elementwise. */
  exp(): Tensor {
    return this.call('Exp');
  }
  /** ln x, elementwise. */
  log(): Tensor {
    return this.call('Log');
  }
  /** √x, elementwise. */
  sqrt(): Tensor {
    return this.call('Sqrt');
  }
  /** 1/x, elementwise. */
  reciprocal(): Tensor {
    return this.call('Reciprocal');
  }
  /** sin x, elementwise, in radians. */
  sin(): Tensor {
    return this.call('Sin');
  }
  /** cos x, elementwise, in radians. */
  cos(): Tensor {
    return this.call('Cos');
  }
  /** tanh x, elementwise. */
  tanh(): Tensor {
    return this.call('Tanh');
  }
  /** 2/√π · ∫₀ˣ e^(−t²) dt, elementwise. */
  erf(): Tensor {
    return this.call('Erf');
  }
  /** 1/(1 + e⁻ˣ), elementwise. */
  sigmoid(): Tensor {
    return this.call('Sigmoid');
  }
  /** max(x, 0), elementwise. */
  relu(): Tensor {
    return this.call('Relu');
  }
  /** The largest integer that is not above x, elementwise; no gradient flows. */
  floor(): Tensor {
    return this.call('Floor');
  }
  /** eˣ/Σeˣ, the sum along `axis`. */
  softmax(axis: number): Tensor {
    return this.call('Softmax', [], { axis: int(axis) });
  }
  /** Elementwise maximum of two tensors. */
  maximum(other: Operand): Tensor {
    return this.call('Max', [this.operand(other)]);
  }
  /** Elementwise minimum of two tensors. */
  minimum(other: Operand): Tensor {
    return this.call('Min', [this.operand(other)]);
  }

  // Comparisons give bool tensors.
  /** x = y, elementwise. */
  equal(other: Operand): Tensor {
    return this.call('Equal', [this.operand(other)]);
  }
  /** x > y, elementwise. */
  greater(other: Operand): Tensor {
    return this.call('Greater', [this.operand(other)]);
  }
  /** x ≥ y, elementwise. */
  greaterOrEqual(other: Operand): Tensor {
    return this.call('GreaterOrEqual', [this.operand(other)]);
  }
  /** x < y, elementwise. */
  less(other: Operand): Tensor {
    return this.call('Less', [this.operand(other)]);
  }
  /** x ≤ y, elementwise. */
  lessOrEqual(other: Operand): Tensor {
    return this.call('LessOrEqual', [this.operand(other)]);
  }
  /** Not x, elementwise, of a bool tensor. */
  logicalNot(): Tensor {
    return this.call('Not');
  }
  /** x and y, elementwise, of bool tensors. */
  logicalAnd(other: Tensor): Tensor {
    return this.call('And', [other]);
  }
  /** x or y, elementwise, of bool tensors. */
  logicalOr(other: Tensor): Tensor {
    return this.call('Or', [other]);
  }

  /** `this ? onTrue : onFalse` elementwise; `this` is bool, and at least one branch is a tensor. */
  where(onTrue: Operand, onFalse: Operand): Tensor {
    const like = typeof onTrue === 'number' ? onFalse : onTrue;
    if (!(like instanceof Tensor)) {
      throw new GlobalPercError(`where: one branch should be a tensor, got ${kindOf(onTrue)} and ${kindOf(onFalse)}`, {
        code: 'invalid-argument',
      });
    }
    return this.call('Where', [like.operand(onTrue), like.operand(onFalse)]);
  }

  /** Converts to another dtype; returns itself when it already has it. */
  cast(dtype: DataType): Tensor {
    return dtype === this.dtype ? this : this.call('Cast', [], { to: int(ONNX_DTYPE[dtype]) });
  }

  /** Matrix product of the last two dimensions, leading ones broadcast. */
  matmul(other: Tensor): Tensor {
    return this.call('MatMul', [other]);
  }

  /** Permutes the dimensions; returns itself for the identity. */
  transpose(permutation: readonly number[]): Tensor {
    if (permutation.every((axis, i) => axis === i)) return this;
    return this.call('Transpose', [], { perm: ints(permutation) });
  }

  /** Swaps two axes. */
  swapAxes(a: number, b: number): Tensor {
    const [first, second] = [normalizeAxis(a, this.rank), normalizeAxis(b, this.rank)];
    return this.transpose(this.shape.map((_, i) => (i === first ? second : i === second ? first : i)));
  }

  /** Same elements, other dimensions (at most one may be -1); returns itself when the shape is unchanged. */
  reshape(shape: Shape): Tensor {
    const known = shape.filter((dim) => dim !== -1);
    const resolved = shape.map((dim) => (dim === -1 ? this.size / sizeOf(known) : dim));
    if (!resolved.every(Number.isInteger) || sizeOf(resolved) !== this.size) {
      throw new GlobalPercError(`cannot reshape [${this.shape}] to [${shape}]: ${this.size} elements do not fit`, {
        code: 'invalid-argument',
      });
    }
    if (sameShape(resolved, this.shape)) return this;
    // allowzero: a dimension of 0 means 0, not "copy from the input".
    return this.call('Reshape', [this.graph.ints(resolved)], resolved.includes(0) ? { allowzero: int(1) } : {});
  }

  /** Drops dimensions of size 1. @throws GlobalPercError for an axis of another size. */
  squeeze(axes: readonly number[]): Tensor {
    const dropped = axes.map((axis) => normalizeAxis(axis, this.rank));
    return this.reshape(this.shape.filter((_, i) => !dropped.includes(i)));
  }

  /** Inserts dimensions of size 1 at the given axes of the result. */
  unsqueeze(axes: readonly number[]): Tensor {
    return this.reshape(insertAxes(this.shape, axes));
  }

  /** Broadcasts to exactly `shape`; returns itself when it has that shape. */
  expand(shape: Shape): Tensor {
    return sameShape(shape, this.shape) ? this : this.call('Expand', [this.graph.ints(shape)]);
  }

  /** Elements `starts[i]` up to (not including) `ends[i]` along `axes[i]`, every `steps[i]`-th. */
  slice(
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps?: readonly number[],
  ): Tensor {
    const { graph } = this;
    return this.call('Slice', [graph.ints(starts), graph.ints(ends), graph.ints(axes), steps && graph.ints(steps)]);
  }

  /** Reverses the order of elements along the given axes. */
  flip(axes: readonly number[]): Tensor {
    const kept = axes.filter((axis) => this.dim(axis) > 1);
    if (kept.length === 0) return this;
    const fill = (value: number): number[] => kept.map(() => value);
    return this.slice(kept, fill(-1), fill(Number.MIN_SAFE_INTEGER), fill(-1));
  }

  /** Pads with `value`; `before` and `after` give the count per axis and may be negative to crop. */
  pad(before: readonly number[], after: readonly number[], value = 0): Tensor {
    if ([...before, ...after].every((count) => count === 0)) return this;
    return this.call('Pad', [this.graph.ints([...before, ...after]), this.graph.scalar(value, this.dtype)]);
  }

  /** Picks slices along `axis` by int64 indices; the axis is replaced by the indices' shape. */
  gather(indices: Tensor, axis: number): Tensor {
    return this.call('Gather', [indices], { axis: int(axis) });
  }

  /** Sum over the axes, by default over all; they are dropped, or stay as 1 with `keepdims`. */
  sum(axes?: readonly number[], keepdims = false): Tensor {
    return this.reduce('ReduceSum', axes, keepdims);
  }
  /** Mean over the axes, as `sum`. */
  mean(axes?: readonly number[], keepdims = false): Tensor {
    return this.reduce('ReduceMean', axes, keepdims);
  }
  /** Largest element over the axes, as `sum`. */
  amax(axes?: readonly number[], keepdims = false): Tensor {
    return this.reduce('ReduceMax', axes, keepdims);
  }
  /** Smallest element over the axes, as `sum`. */
  amin(axes?: readonly number[], keepdims = false): Tensor {
    return this.reduce('ReduceMin', axes, keepdims);
  }

  private reduce(op: string, axes: readonly number[] | undefined, keepdims: boolean): Tensor {
    if (axes?.length === 0) return this;
    return this.call(op, [axes && this.graph.ints(axes)], { keepdims: int(keepdims ? 1 : 0) });
  }

  /** The same values, through which no gradient flows. */
  detach(): Tensor {
    return this.graph.emit('Detach', [this], {}, { domain: INTERNAL_DOMAIN })[0] as Tensor;
  }

  /**
   * A constant beside this tensor, of its dtype: `activation.constant([0.2, 0.5, 0.3], [1, 3, 1, 1])`.
   * @param values The elements in row-major order.
   * @param shape Default: one dimension, as long as there are values.
   * @throws GlobalPercError when the number of values does not fit the shape.
   */
  constant(values: ArrayLike<number>, shape: Shape = [values.length]): Tensor {
    return this.graph.constant(constantOf(this.dtype, shape, values));
  }

  /** A tensor of zeros with this shape and dtype. */
  zerosLike(): Tensor {
    return this.graph.scalar(0, this.dtype).expand(this.shape);
  }

  /** LeakyReLU, ELU and the like are emitted by name: `x.unary('Elu', 0.5)`. */
  unary(op: string, alpha?: number): Tensor {
    return this.call(op, [], alpha === undefined ? {} : { alpha: float(alpha) });
  }
}

/** Concatenates along `axis`. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0];
  if (!(first instanceof Tensor))
    throw new GlobalPercError(`concat needs a list of at least one tensor, got ${kindOf(first ?? tensors)}`, {
      code: 'invalid-argument',
    });
  return tensors.length === 1 ? first : (first.graph.emit('Concat', tensors, { axis: int(axis) })[0] as Tensor);
}
