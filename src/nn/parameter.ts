/** What a module holds: weights that train, and buffers that do not. */
import { bytesOf, type ConstantData, GlobalPercError, type Shape, sizeOf } from '../graph/index.js';

/** A weight of a module, float32 in row-major order (https://pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html). */
export class Parameter {
  readonly dtype = 'float32';
  readonly shape: Shape;
  /** False keeps an optimiser from changing it. */
  requiresGrad = true;
  private elements: Float32Array | undefined;
  private initialize: (() => void) | undefined;

  /** Zeros, or the given elements. @throws GlobalPercError when their number does not fit the shape. */
  constructor(shape: Shape, data?: ArrayLike<number>) {
    if (data && data.length !== sizeOf(shape)) {
      throw new GlobalPercError(`a parameter of shape [${shape}] needs ${sizeOf(shape)} elements, got ${data.length}`);
    }
    this.shape = [...shape];
    if (data) this.elements = data instanceof Float32Array ? data : Float32Array.from(data);
  }

  get data(): Float32Array {
    const { initialize } = this;
    this.initialize = undefined;
    initialize?.();
    this.elements ??= new Float32Array(sizeOf(this.shape));
    return this.elements;
  }

  set data(elements: Float32Array) {
    this.initialize = undefined;
    this.elements = elements;
  }

  /** Sets the elements when they are first read; never, when others are set before. */
  initializeOnRead(initialize: () => void): void {
    this.initialize = initialize;
  }
}

/** State of a module that no gradient reaches, such as running statistics; saved with the weights. */
export class Buffer {
  readonly dtype: 'float32' | 'int64';
  readonly shape: Shape;
  data: Float32Array | BigInt64Array;

  constructor(shape: Shape, data: Float32Array | BigInt64Array) {
    this.shape = [...shape];
    this.data = data;
    this.dtype = data instanceof Float32Array ? 'float32' : 'int64';
  }
}

/** What is held, as a constant of a graph; the elements are shared. */
export const constantOfHeld = ({ dtype, shape, data }: Parameter | Buffer): ConstantData => ({
  dtype,
  shape,
  bytes: bytesOf(data),
});

/** Entry of a state dict. */
export interface StateTensor {
  readonly dtype: 'float32' | 'int64';
  readonly dims: Shape;
  readonly data: Float32Array | BigInt64Array;
}

/** Weights and buffers by PyTorch's key, e.g. `down.0.0.weight`. */
export type StateDict = Readonly<Record<string, StateTensor>>;
