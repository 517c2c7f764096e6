/** NumPy's .npy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
import {
  bytesPerElement,
  type DataType,
  fileKind,
  GlobalPercError,
  halvesToFloats,
  type Shape,
  sizeOf,
  typedArray,
} from '../graph/index.js';
import { instanceOf, refused } from '../options/index.js';
import { checkTensor } from './dataset.js';
import { NUMPY_TYPES } from './numpy-types.js';
import type { ImageTensor } from './tensor.js';

const isBytes = instanceOf(Uint8Array, 'a Uint8Array of the whole file');

const MAGIC = '\x93NUMPY';

/** What the header says of the array. */
interface Layout {
  readonly dtype: DataType;
  readonly bigEndian: boolean;
  /** First axis innermost. */
  readonly fortran: boolean;
  readonly dims: Shape;
}

/**
 * Reads a .npy file of numbers or booleans, in either byte order and in C or Fortran order, to float32 in C order:
 * element types other than float32 are converted by value, rounded to the nearest.
 * @param source the file's name, for messages.
 * @throws GlobalPercError when it is not one, holds other elements, or is damaged or truncated.
 */
export function parseNpy(bytes: Uint8Array, source: string): ImageTensor {
  isBytes(bytes, 'parseNpy: bytes');
  const { header, start } = headerOf(bytes, source);
  const { dtype, bigEndian, fortran, dims } = parseHeader(header, source);
  const width = bytesPerElement(dtype);
  const length = sizeOf(dims) * width;
  // A copy, whose bytes may be turned round.
  const data = Uint8Array.from(bytes.subarray(start, start + length));
  if (data.length < length) {
    throw new GlobalPercError(
      `${source} is truncated: shape (${dims}) needs ${length} bytes, ${data.length} are there`,
      { code: 'invalid-file' },
    );
  }
  if (bigEndian) for (let i = 0; i < length; i += width) data.subarray(i, i + width).reverse();
  const values = floatsOf(dtype, data);
  return { dims, data: fortran ? inOrderC(values, dims) : values };
}

function headerOf(bytes: Uint8Array, source: string): { header: string; start: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12 || buffer.toString('latin1', 0, 6) !== MAGIC) {
    const kind = fileKind(bytes);
    const found = kind === undefined || buffer.toString('latin1', 0, 6) === MAGIC ? '' : `: it is ${kind}`;
    throw new GlobalPercError(`${source} is not a .npy file${found}`, { code: 'invalid-file' });
  }
  const wide = (buffer[6] as number) >= 2;
  const start = wide ? 12 + buffer.readUInt32LE(8) : 10 + buffer.readUInt16LE(8);
  return { header: buffer.toString('latin1', wide ? 12 : 10, start), start };
}

function parseHeader(header: string, source: string): Layout {
  const described = /'descr':\s*('[^']*'|\[.*?\](?=,\s*'fortran_order'))/.exec(header)?.[1] ?? 'nothing';
  const [, order, type] = /^'([<>|=]?)([a-z]\d)'$/.exec(described) ?? [];
  const dtype = type === undefined ? undefined : NUMPY_TYPES.get(type);
  if (dtype === undefined) {
    throw new GlobalPercError(
      `${source} should hold real numbers or booleans, holds ${described}; save it with np.asarray(x, np.float32)`,
      { code: 'invalid-file' },
    );
  }
  const fortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const dims = (shape ?? '?')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (fortran === undefined || !dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw new GlobalPercError(
      `${source} is a damaged .npy file: its shape is (${shape ?? 'missing'}), its fortran_order ${fortran ?? 'missing'}`,
      { code: 'invalid-file' },
    );
  }
  return { dtype, bigEndian: order === '>', fortran: fortran === 'True', dims };
}

function floatsOf(dtype: DataType, bytes: Uint8Array): Float32Array {
  const elements = typedArray(dtype, bytes);
  if (dtype === 'float16') return halvesToFloats(elements as Uint16Array);
  return elements instanceof Float32Array ? elements : Float32Array.from(elements as ArrayLike<number>, Number);
}

/** Values whose first axis is the innermost, with the last one innermost. */
function inOrderC(values: Float32Array, dims: Shape): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    let [rest, at] = [i, 0];
    for (const dim of dims) {
      at = at * dim + (rest % dim);
      rest = Math.floor(rest / dim);
    }
    result[at] = values[i] as number;
  }
  return result;
}

/**
 * The bytes of a .npy file; the data start on a multiple of 64 bytes.
 * @throws GlobalPercError when it is no tensor of float32, or dimensions and data do not agree.
 */
export function formatNpy(tensor: ImageTensor): Uint8Array {
  checkTensor(tensor, 'formatNpy: the tensor');
  const { dims, data } = tensor;
  if (!(data instanceof Float32Array))
    throw refused('formatNpy: data', 'a Float32Array', data, { code: 'invalid-argument' });
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11, ' ');
  const prefix = Buffer.from(`${MAGIC}\x01\x00\x00\x00${padded}\n`, 'latin1');
  prefix.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([prefix, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
