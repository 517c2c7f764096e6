/** Concrete tensors as callers hand them in: checked, and brought to float32. */
import { areFinite, GlobalPercError, kindOf, type Shape, sizeOf } from '../graph/index.js';
import type { HostTensor } from '../runtime/index.js';

/** A concrete tensor: an `onnxruntime-common` Tensor, or anything with its data in row-major order and its dimensions. */
export interface TensorLike {
  readonly data: ArrayLike<number> | ArrayLike<bigint> | ArrayLike<string>;
  readonly dims: readonly number[];
}

/**
 * A tensor as it is now: for a call that computes later, when the caller may have put the next picture into the same
 * buffer. What is no tensor comes back as it is.
 */
export function snapshot<T>(given: T): T {
  const { data, dims } = (given ?? {}) as Partial<TensorLike>;
  if (typeof data !== 'object' || data === null || !Array.isArray(dims)) return given;
  return { data: copied(data), dims: [...dims] } as T;
}

/** Of every typed array as such: the `slice` of a Buffer shares its memory. */
const copied = (data: TensorLike['data']): TensorLike['data'] =>
  ArrayBuffer.isView(data) ? Uint8Array.prototype.slice.call(data) : Array.from<never>(data as never);

/**
 * Checks a tensor and converts it to float32; data that is float32 already is not copied.
 * @throws GlobalPercError when dimensions and data do not agree, or a value is NaN or infinite.
 */
export function toFloat32(tensor: TensorLike, name: string): HostTensor & { readonly data: Float32Array } {
  const { data, dims } = tensor ?? {};
  if (data === undefined || data === null || !Array.isArray(dims)) {
    throw new GlobalPercError(`${name} should be a tensor { data, dims }, got ${kindOf(tensor)}`, {
      code: 'invalid-argument',
    });
  }
  if (!dims.every((dim) => Number.isInteger(dim) && dim > 0)) {
    throw new GlobalPercError(`${name}: dims should be positive integers, got [${dims}]`, { code: 'invalid-argument' });
  }
  if (data.length !== sizeOf(dims)) {
    throw new GlobalPercError(`${name}: dims [${dims}] need ${sizeOf(dims)} values, data holds ${data.length}`, {
      code: 'invalid-argument',
    });
  }
  const values = data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>, Number);
  if (!areFinite(values)) {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    const at = indexOf(bad, dims);
    throw new GlobalPercError(
      `${name} holds ${values[bad]} at [${at}]: a loss needs finite values; check what made it`,
      { code: 'not-finite' },
    );
  }
  return { dtype: 'float32', dims: [...dims], data: values };
}

/** Position of a flat index in a tensor of the given shape. */
function indexOf(flat: number, shape: Shape): number[] {
  const position: number[] = [];
  let rest = flat;
  for (const dim of shape.toReversed()) {
    position.unshift(rest % dim);
    rest = Math.floor(rest / dim);
  }
  return position;
}
