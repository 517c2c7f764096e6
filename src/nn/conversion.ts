/** Elements of one type as another, as PyTorch's `copy_` (https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html). */
import {
  brainsToFloats,
  byteLengthOf,
  type ConstantData,
  type DataType,
  GlobalPercError,
  halvesToFloats,
  type Shape,
  sameShape,
  type TypedArray,
  wide,
  widened,
} from '../graph/index.js';
import { isObject, matching, refused } from '../options/index.js';
import { type Buffer, Parameter } from './parameter.js';

/** A tensor as a file holds it; float16 and bfloat16 are the bits of their elements, in a Uint16Array. */
export interface StoredTensor {
  readonly dtype: DataType;
  readonly dims: Shape;
  readonly data: TypedArray;
  /** The same where it lies in a file, for weights that may stay there; reading `data` then reads the file. */
  readonly constant?: ConstantData;
}

const isStored = (value: unknown): value is StoredTensor => {
  const { dtype, dims, constant } = Object(value) as Partial<StoredTensor>;
  if (dtype === undefined || !Array.isArray(dims)) return false;
  // What stays in its file is not read for this.
  if (constant !== undefined) return true;
  const { data } = value as Partial<StoredTensor>;
  return ArrayBuffer.isView(data) && data.byteLength === byteLengthOf({ dtype, shape: dims });
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
 * Makes ready to set what a module holds to a tensor. Of weights that lie in a file, nothing is read.
 * @param name the tensor's, for messages.
 * @returns sets it.
 * @throws GlobalPercError when an element has no int64.
 */
export function loading(held: Parameter | Buffer, tensor: StoredTensor, name: string): () => void {
  const { constant } = tensor;
  const mayStay = constant && sameShape(constant.shape, held.shape) && wide(constant.dtype) === 'float32';
  if (held instanceof Parameter && mayStay) {
    return () => {
      held.constant = widened(constant);
    };
  }
  const data = converted(tensor, held.dtype, name);
  return () => {
    held.data = data as Float32Array;
  };
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
  return brainsToFloats(data as Uint16Array);
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
