/** What a module holds: weights that train, and buffers that do not. */
import { bytesOf, type ConstantData, GlobalPercError, type Shape, sizeOf } from '../graph/index.js';
import { integer, listOf, matching } from '../options/index.js';

const shapeOf = listOf(integer(0));

const numbers = matching(
  (value): value is ArrayLike<number> => Array.isArray(value) || isTyped(value),
  'a list of numbers or a typed array',
);

const isTyped = (value: unknown): boolean => ArrayBuffer.isView(value) && !(value instanceof DataView);

const elements = matching(
  (value): value is Float32Array | BigInt64Array => value instanceof Float32Array || value instanceof BigInt64Array,
  'a Float32Array or a BigInt64Array',
);

/** @throws GlobalPercError when the number of elements does not fit the shape. */
function requireSize(what: string, shape: Shape, length: number): void {
  if (length === sizeOf(shape)) return;
  throw new GlobalPercError(`${what} of shape [${shape}] needs ${sizeOf(shape)} elements, got ${length}`, {
    code: 'invalid-option',
  });
}

/** A weight of a module, float32 in row-major order (https://pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html). */
export class Parameter {
  readonly dtype = 'float32';
  readonly shape: Shape;
  /** False keeps an optimiser from changing it. */
  requiresGrad = true;
  private elements: Float32Array | undefined;
  private initialize: (() => void) | undefined;
  /** What it was made of, until its elements are read or set. */
  private origin: ConstantData | undefined;

  /** Zeros, or the given elements. @throws GlobalPercError when their number does not fit the shape. */
  constructor(shape: Shape, data?: ArrayLike<number>) {
    this.shape = shapeOf(shape, 'Parameter: shape');
    if (data === undefined) return;
    requireSize('a parameter', shape, numbers(data, 'Parameter: data').length);
    this.elements = data instanceof Float32Array ? data : Float32Array.from(data);
  }

  /** A weight with the elements of a float32 constant, as the setter of `constant` takes them. */
  static ofConstant(constant: ConstantData): Parameter {
    const parameter = new Parameter(constant.shape);
    parameter.constant = constant;
    return parameter;
  }

  /** The elements as a constant of a graph, which shares them. */
  get constant(): ConstantData {
    return this.origin ?? { dtype: this.dtype, shape: this.shape, bytes: bytesOf(this.data) };
  }

  /** Those of a float32 constant of the same shape: they are copied when they are first read, and may stay in their file until then. */
  set constant(constant: ConstantData) {
    this.initializeOnRead(() => {
      this.data = new Float32Array(Uint8Array.from(constant.bytes).buffer);
    });
    this.origin = constant;
  }

  /**
   * The elements, float32 in row-major order, and no copy of them: what changes them changes the weight. Where none were set
   * they are zeros, or what `initializeOnRead` makes of them at the first read.
   */
  get data(): Float32Array {
    const { initialize } = this;
    this.initialize = undefined;
    initialize?.();
    this.origin = undefined;
    this.elements ??= zeros(this.shape);
    return this.elements;
  }

  /** Puts others in their place, which should be as many; they are not copied. */
  set data(elements: Float32Array) {
    this.initialize = undefined;
    this.origin = undefined;
    this.elements = elements;
  }

  /** Sets the elements when they are first read; never, when others are set before. */
  initializeOnRead(initialize: () => void): void {
    this.origin = undefined;
    this.initialize = initialize;
  }
}

/** State of a module that no gradient reaches, such as running statistics; saved with the weights. */
export class Buffer {
  readonly dtype: 'float32' | 'int64';
  readonly shape: Shape;
  data: Float32Array | BigInt64Array;

  /** @throws GlobalPercError when the elements have another type, or their number does not fit the shape. */
  constructor(shape: Shape, data: Float32Array | BigInt64Array) {
    this.shape = shapeOf(shape, 'Buffer: shape');
    this.data = elements(data, 'Buffer: data');
    requireSize('a buffer', shape, data.length);
    this.dtype = data instanceof Float32Array ? 'float32' : 'int64';
  }
}

/** What is held, as a constant of a graph; the elements are shared. */
export const constantOfHeld = (held: Parameter | Buffer): ConstantData =>
  held instanceof Parameter ? held.constant : { dtype: held.dtype, shape: held.shape, bytes: bytesOf(held.data) };

/** Entry of a state dict. */
export interface StateTensor {
  readonly dtype: 'float32' | 'int64';
  readonly dims: Shape;
  readonly data: Float32Array | BigInt64Array;
}

/** Weights and buffers by PyTorch's key, e.g. `down.0.0.weight`. */
export type StateDict = Readonly<Record<string, StateTensor>>;

/** @throws GlobalPercError where there is no room for them. */
function zeros(shape: Shape): Float32Array {
  try {
    return new Float32Array(sizeOf(shape));
  } catch (cause) {
    throw new GlobalPercError(
      `a parameter of shape [${shape}] has ${sizeOf(shape)} elements, for which there is no room: take a smaller module`,
      { code: 'out-of-memory', cause },
    );
  }
}
