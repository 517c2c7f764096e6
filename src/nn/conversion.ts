/** Elements of one type as another, as PyTorch's `copy_` (https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html). */
import {
  byteLengthOf,
  type DataType,
  GlobalPercError,
  halvesToFloats,
  type Shape,
  type TypedArray,
} from '../graph/index.js';
import { isObject, matching, refused } from '../options/index.js';

/** A tensor as a file holds it; float16 and bfloat16 are the bits of their elements, in a Uint16Array. */
export interface StoredTensor {
  readonly dtype: DataType;
  readonly dims: Shape;
  readonly data: TypedArray;
}

const isStored = (value: unknown): value is StoredTensor => {
  const { dtype, dims, data } = Object(value) as Partial<StoredTensor>;
  if (dtype === undefined || !Array.isArray(dims) || !ArrayBuffer.isView(data)) return false;
  return data.byteLength === byteLengthOf({ dtype, shape: dims });
};
const stored = matching(isStored, 'a tensor { dtype, dims, data } with as many elements as dims say');

/** @throws GlobalPercError for what is no state dict. */
export function requireState(state: unknown): void {
  const where = 'loadStateDict: state';
  if (!isObject(state) || state instanceof Promise || state instanceof Map) {
    throw refused(where, 'tensors by name, such as await readStateDict(path)', state);
  }
  for (const [name, tensor] of Object.entries(state)) stored(tensor, `${where}.${name}`);
}

/**
 * A copy of the elements in the type that a module holds: to float32 rounding to the nearest, to int64 towards zero.
 * @param name the tensor's, for messages.
 * @throws GlobalPercError when an element has no int64.
 */
export function converted(
  { dtype, data }: StoredTensor,
  to: 'float32' | 'int64',
  name: string,
): Float32Array | BigInt64Array {
  if (dtype === to) return data.slice() as Float32Array | BigInt64Array;
  const values = valuesOf(dtype, data);
  return to === 'float32' ? float32Of(values) : integersOf(values, name);
}

/** The elements as numbers: halves widened, which is exact; others as they are. */
function valuesOf(dtype: DataType, data: TypedArray): TypedArray {
  if (dtype === 'float16') return halvesToFloats(data as Uint16Array);
  if (dtype !== 'bfloat16') return data;
  const bits = new Uint32Array(data as Uint16Array);
  for (let i = 0; i < bits.length; i += 1) bits[i] = (bits[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

const float32Of = (values: TypedArray): Float32Array =>
  values instanceof BigInt64Array || values instanceof BigUint64Array
    ? Float32Array.from(values, Number)
    : new Float32Array(values);

function integersOf(values: TypedArray, name: string): BigInt64Array {
  return BigInt64Array.from(values as ArrayLike<number | bigint>, (value) => {
    if (typeof value === 'bigint') return value;
    if (Math.abs(value) < 2 ** 63) return BigInt(Math.trunc(value));
    throw new GlobalPercError(`'${name}' should hold integers of 64 bits, but one element is ${value}`, {
      code: 'invalid-file',
    });
  });
}
