/** Scalars of NumPy, such as the losses and rates that training scripts put beside the weights. */
import { type DataType, halvesToFloats, typedArray } from '../graph/index.js';
import { NUMPY_TYPES } from './numpy-types.js';
import { type Builder, badPickle, kindOf, PickledNumpyType, type PickleValue, refused } from './pickle-values.js';

/** `numpy.dtype('f8', False, True)`. */
export const numpyType: Builder = ([code = null], { source }) => {
  if (typeof code === 'string' && NUMPY_TYPES.has(code)) return new PickledNumpyType(code);
  throw refused(`numpy.dtype(${typeof code === 'string' ? `'${code}'` : kindOf(code)})`, source);
};

/** `numpy.core.multiarray.scalar(dtype, bytes)`: a number, a bigint beyond 2^53, or a boolean. */
export const numpyScalar: Builder = ([type, bytes], { source }): PickleValue => {
  if (!(type instanceof PickledNumpyType) || !(bytes instanceof Uint8Array)) {
    throw badPickle(source, `a NumPy scalar is made of ${kindOf(type)} and ${kindOf(bytes)}`);
  }
  const width = Number(type.code.slice(1));
  if (bytes.length !== width) throw badPickle(source, `a NumPy scalar of ${width} bytes has ${bytes.length}`);
  const ordered = Uint8Array.from(type.bigEndian ? bytes.toReversed() : bytes);
  const dtype = NUMPY_TYPES.get(type.code) as DataType;
  const elements = typedArray(dtype, ordered);
  if (dtype === 'bool') return elements[0] !== 0;
  if (dtype === 'float16') return halvesToFloats(elements as Uint16Array)[0] as number;
  const [value] = elements;
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : (value as number | bigint);
};
