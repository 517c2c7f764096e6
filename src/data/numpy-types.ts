/** Element types that NumPy's files and pickles name. */
import type { DataType } from '../graph/index.js';

/** By kind and width in bytes, without the byte order. */
export const NUMPY_TYPES: ReadonlyMap<string, DataType> = new Map([
  ['f2', 'float16'],
  ['f4', 'float32'],
  ['f8', 'float64'],
  ['i1', 'int8'],
  ['i2', 'int16'],
  ['i4', 'int32'],
  ['i8', 'int64'],
  ['u1', 'uint8'],
  ['u2', 'uint16'],
  ['u4', 'uint32'],
  ['u8', 'uint64'],
  ['b1', 'bool'],
]);
