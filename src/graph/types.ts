/**
 * Element types, shapes and constant data: the vocabulary of the intermediate representation.
 * Names are those of `onnxruntime-common`, so that a dtype here is a dtype there.
 */
import { GlobalPercError } from './errors.js';

/** Bytes per element of every dtype the graph can hold. `bool` is one byte, as in ONNX raw data. */
const BYTES = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
} as const;

/** Element type of a tensor. */
export type DataType = keyof typeof BYTES;
/** Static dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];
/** What shape inference computes for each output of a node. */
export interface TensorType {
  readonly dtype: DataType;
  readonly shape: Shape;
}

/** Typed arrays that hold tensor elements; 64-bit integers are bigints. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A concrete tensor: little-endian bytes in row-major order, as ONNX's `raw_data`. */
export interface ConstantData extends TensorType {
  readonly bytes: Uint8Array;
  /** Where the bytes lie, if in a file: they are not kept in memory then, but read whenever they are asked for. */
  readonly place?: FilePlace;
  /** Reads some of the bytes, where they lie in a file. */
  readonly part?: (offset: number, length: number) => Uint8Array;
  /** The constant that it is made of whenever it is asked for, where that lies in a file. */
  readonly of?: ConstantData;
}

/** Part of a file that ONNX Runtime can read by itself. */
export interface FilePlace {
  /** Absolute path. */
  readonly folder: string;
  /** The file's path from there. */
  readonly location: string;
  /** First byte. */
  readonly offset: number;
  /** What the file was when it was opened: something that changes when the file does. */
  readonly state: string;
}

/** Weights in files, up to so many bytes: ONNX Runtime makes copies of them in its kernels' layout. More would double the memory. */
export const REPACKED_UP_TO = 2 ** 30;

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** True for the dtypes that gradients flow through. */
export const isDifferentiable = (dtype: DataType): boolean => dtype === 'float32' || dtype === 'float64';

/** TensorProto.DataType numbers of the ONNX specification. */
export const ONNX_DTYPE: Readonly<Record<DataType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

/** Number of bytes one element of `dtype` takes. */
export const bytesPerElement = (dtype: DataType): number => BYTES[dtype];

/** Number of elements of a tensor with this shape. */
export function sizeOf(shape: Shape): number {
  let product = 1;
  for (const dim of shape) product *= dim;
  return product;
}

/** True when both shapes have the same rank and dimensions. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** Views the bytes of a constant as a typed array; copies only when the bytes are not aligned. */
export function typedArray(dtype: DataType, bytes: Uint8Array): TypedArray {
  const width = BYTES[dtype];
  // Not `slice`: on a Node Buffer that is another view of the same bytes.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return new ARRAYS[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / width);
}

/** 0·x is 0 for every number, and NaN for what is none: a sum of those takes a third of the time of looking at each. */
export function areFinite(values: Float32Array | Float64Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += 0 * (values[i] as number);
  return sum === 0;
}

/** The bytes of an array, shared with it. */
export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Bytes of arrays, one behind the other. */
export function joinedBytes(parts: readonly ArrayBufferView[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(bytesOf(part), end);
    end += part.byteLength;
  }
  return bytes;
}

/** Number of bytes that a tensor takes. */
export const byteLengthOf = ({ dtype, shape }: TensorType): number => sizeOf(shape) * bytesPerElement(dtype);

/** A constant that stays in its file. @param read reads some of its bytes. */
export const constantInFile = (
  { dtype, shape }: TensorType,
  place: FilePlace,
  read: (offset: number, length: number) => Uint8Array,
): ConstantData => ({
  dtype,
  shape,
  place,
  part: read,
  get bytes() {
    return read(0, byteLengthOf({ dtype, shape }));
  },
});

/** The elements of a constant as JavaScript numbers (64-bit integers are narrowed). */
export const numbersOf = (constant: ConstantData): number[] =>
  Array.from(typedArray(constant.dtype, constant.bytes) as ArrayLike<number | bigint>, Number);

/**
 * Makes a constant from numbers.
 * @throws GlobalPercError when the number of values does not fit the shape, or one is no integer where the type has no others.
 */
export function constantOf(dtype: DataType, shape: Shape, values: ArrayLike<number>): ConstantData {
  if (values.length !== sizeOf(shape)) {
    throw new GlobalPercError(`a constant of shape [${shape}] needs ${sizeOf(shape)} values, got ${values.length}`, {
      code: 'invalid-argument',
    });
  }
  if (dtype === 'float16' || dtype === 'bfloat16')
    throw new GlobalPercError(`cannot make a constant of type ${dtype}`, { code: 'invalid-argument' });
  const fraction = dtype.startsWith('float') ? undefined : Array.from(values).find((value) => !Number.isInteger(value));
  if (fraction !== undefined)
    throw new GlobalPercError(`a constant of type ${dtype} cannot hold ${fraction}`, { code: 'invalid-argument' });
  const Ctor = ARRAYS[dtype];
  const data =
    Ctor === BigInt64Array || Ctor === BigUint64Array
      ? Ctor.from(Array.from(values, (value) => BigInt(value)))
      : (Ctor as Float32ArrayConstructor).from(values);
  return { dtype, shape: [...shape], bytes: bytesOf(data) };
}

/**
 * NumPy/ONNX broadcasting of shapes.
 * @throws GlobalPercError when two dimensions differ and neither is 1.
 */
export function broadcastShapes(...shapes: Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let result = 1;
    for (const shape of shapes) {
      const dim = shape[shape.length - rank + i] ?? 1;
      if (dim === 1 || dim === result) continue;
      if (result !== 1) {
        throw new GlobalPercError(`shapes ${shapes.map((s) => `[${s}]`).join(' and ')} cannot be broadcast together`, {
          code: 'invalid-argument',
        });
      }
      result = dim;
    }
    return result;
  });
}

/** The shape with dimensions of size 1 inserted at the given axes of the result. */
export function insertAxes(shape: Shape, axes: readonly number[]): Shape {
  const rank = shape.length + axes.length;
  const added = axes.map((axis) => normalizeAxis(axis, rank));
  const rest = shape.values();
  return Array.from({ length: rank }, (_, i) => (added.includes(i) ? 1 : (rest.next().value as number)));
}

/**
 * Resolves a possibly negative axis.
 * @throws GlobalPercError when it lies outside `[-rank, rank)`.
 */
export function normalizeAxis(axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= Math.max(rank, 1)) {
    throw new GlobalPercError(`axis ${axis} is outside the range of a tensor of rank ${rank}`, {
      code: 'invalid-argument',
    });
  }
  return resolved;
}
