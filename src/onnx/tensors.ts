/** TensorProto → constant data, in every encoding the format has. */
import { TensorProto_DataType as ElementType, type TensorProto } from 'onnx-buf';
import {
  byteLengthOf,
  bytesOf,
  type ConstantData,
  type DataType,
  GlobalPercError,
  ONNX_DTYPE,
  type TensorType,
  widened,
} from '../graph/index.js';
import { refuseElementType } from './refuse.js';

const DTYPES: ReadonlyMap<number, DataType> = new Map(
  Object.entries(ONNX_DTYPE).map(([dtype, number]) => [number, dtype as DataType]),
);

/** The dtype of a TensorProto.DataType number; `undefined` for strings, complex and quantised types. */
export const dtypeOf = (elementType: number): DataType | undefined => DTYPES.get(elementType);

/** Dimensions as numbers; what does not fit stays recognisably wrong. */
export const dimensions = (dims: readonly bigint[]): number[] => dims.map(Number);

/**
 * The data of a tensor whose bytes are in the file; `raw_data` is not copied, but where it is of half precision: that becomes float32.
 * @param where File and tensor, for messages.
 * @throws GlobalPercError when type, shape and data do not fit together.
 */
export function constantOfProto(proto: TensorProto, where: string): ConstantData {
  const dtype = requiredDtype(proto, where);
  const bytes = proto.rawData.length > 0 ? proto.rawData : listedData(proto, dtype);
  return widened({ ...typeOfProto(proto, bytes.length, where), bytes });
}

/** The type of a tensor that holds so many bytes. @throws GlobalPercError when type, shape and size do not fit together. */
export function typeOfProto(proto: TensorProto, byteLength: number, where: string): TensorType {
  const type = { dtype: requiredDtype(proto, where), shape: dimensions(proto.dims) };
  if (type.shape.every((dim) => dim >= 0) && byteLength === byteLengthOf(type)) return type;
  throw new GlobalPercError(
    `${where}: ${type.dtype}[${type.shape}] takes ${byteLengthOf(type)} bytes, the file holds ${byteLength}; it is damaged, export it again`,
    { code: 'invalid-model' },
  );
}

function requiredDtype(proto: TensorProto, where: string): DataType {
  refuseElementType(proto.dataType, where);
  const dtype = dtypeOf(proto.dataType);
  if (dtype !== undefined) return dtype;
  const name = ElementType[proto.dataType] ?? `number ${proto.dataType}`;
  throw new GlobalPercError(
    `${where} has element type ${name}; numbers and booleans are supported: export the model without it`,
    {
      code: 'invalid-model',
    },
  );
}

/** Data in one of the typed lists; small types share `int32_data`. */
function listedData(proto: TensorProto, dtype: DataType): Uint8Array {
  const { floatData, doubleData, int32Data, int64Data, uint64Data } = proto;
  switch (dtype) {
    case 'float32':
      return bytesOf(Float32Array.from(floatData));
    case 'float64':
      return bytesOf(Float64Array.from(doubleData));
    case 'int64':
      return bytesOf(BigInt64Array.from(int64Data));
    case 'uint64':
      return bytesOf(BigUint64Array.from(uint64Data));
    case 'uint32':
      return bytesOf(Uint32Array.from(uint64Data, Number));
    case 'int32':
      return bytesOf(Int32Array.from(int32Data));
    case 'int16':
      return bytesOf(Int16Array.from(int32Data));
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return bytesOf(Uint16Array.from(int32Data));
    case 'int8':
      return bytesOf(Int8Array.from(int32Data));
    case 'uint8':
    case 'bool':
      return Uint8Array.from(int32Data);
  }
}
