/** NumPy's .npy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
import { byteLengthOf, type DataType, GlobalPercError, typedArray } from '../graph/index.js';
import { instanceOf, refused } from '../options/index.js';
import { checkTensor } from './dataset.js';
import type { ImageTensor } from './tensor.js';

const isBytes = instanceOf(Uint8Array, 'a Uint8Array of the whole file');

const MAGIC = '\x93NUMPY';

/** How NumPy names the element types that are read. */
const DTYPES: Readonly<Record<string, DataType>> = {
  '<f4': 'float32',
  '<f8': 'float64',
  '<i8': 'int64',
  '<i4': 'int32',
  '|u1': 'uint8',
  '|b1': 'bool',
};

/**
 * Reads a .npy file; other element types are converted to float32.
 * @throws GlobalPercError when it is not one, holds other elements, is not in C order, or is truncated.
 */
export function parseNpy(bytes: Uint8Array, source: string): ImageTensor {
  isBytes(bytes, 'parseNpy: bytes');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12 || buffer.toString('latin1', 0, 6) !== MAGIC)
    throw new GlobalPercError(`${source} is not a .npy file`);
  const wide = (buffer[6] as number) >= 2;
  const start = wide ? 12 + buffer.readUInt32LE(8) : 10 + buffer.readUInt16LE(8);
  const { dtype, dims } = parseHeader(buffer.toString('latin1', wide ? 12 : 10, start), source);
  const length = byteLengthOf({ dtype, shape: dims });
  const data = buffer.subarray(start);
  if (data.length < length)
    throw new GlobalPercError(
      `${source} is truncated: shape (${dims}) needs ${length} bytes, ${data.length} are there`,
    );
  const elements = typedArray(dtype, Uint8Array.from(data.subarray(0, length)));
  return {
    dims,
    data: elements instanceof Float32Array ? elements : Float32Array.from(elements as ArrayLike<number>, Number),
  };
}

function parseHeader(header: string, source: string): { dtype: DataType; dims: readonly number[] } {
  const described = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? '';
  const dtype = DTYPES[described];
  if (dtype === undefined || !/'fortran_order':\s*False/.test(header)) {
    throw new GlobalPercError(
      `${source} should hold numbers in C order, holds '${described}'; save it with np.ascontiguousarray(x, np.float32)`,
    );
  }
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const dims = (shape ?? '?')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0))
    throw new GlobalPercError(`${source} is a damaged .npy file: its shape is (${shape ?? 'missing'})`);
  return { dtype, dims };
}

/**
 * The bytes of a .npy file; the data start on a multiple of 64 bytes.
 * @throws GlobalPercError when it is no tensor of float32, or dimensions and data do not agree.
 */
export function formatNpy(tensor: ImageTensor): Uint8Array {
  checkTensor(tensor, 'formatNpy: the tensor');
  const { dims, data } = tensor;
  if (!(data instanceof Float32Array)) throw refused('formatNpy: data', 'a Float32Array', data);
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11, ' ');
  const prefix = Buffer.from(`${MAGIC}\x01\x00\x00\x00${padded}\n`, 'latin1');
  prefix.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([prefix, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
