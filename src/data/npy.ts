/** NumPy's .npy files of float32 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
import { GlobalPercError, sizeOf } from '../graph/index.js';
import type { ImageTensor } from './tensor.js';

const MAGIC = '\x93NUMPY';

/**
 * Reads a .npy file.
 * @throws GlobalPercError when it is not one, is not little-endian float32 in C order, or is truncated.
 */
export function parseNpy(bytes: Uint8Array, source: string): ImageTensor {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12 || buffer.toString('latin1', 0, 6) !== MAGIC)
    throw new GlobalPercError(`${source} is not a .npy file`);
  const wide = (buffer[6] as number) >= 2;
  const headerSize = wide ? buffer.readUInt32LE(8) : buffer.readUInt16LE(8);
  const start = (wide ? 12 : 10) + headerSize;
  const header = buffer.toString('latin1', wide ? 12 : 10, start);
  const dtype = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  if (dtype !== '<f4' || !/'fortran_order':\s*False/.test(header)) {
    throw new GlobalPercError(
      `${source} should hold float32 in C order, holds '${dtype}'; save it with np.ascontiguousarray(x, np.float32)`,
    );
  }
  const dims = (/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const data = buffer.subarray(start);
  if (data.length < 4 * sizeOf(dims))
    throw new GlobalPercError(
      `${source} is truncated: shape (${dims}) needs ${4 * sizeOf(dims)} bytes, ${data.length} are there`,
    );
  return { dims, data: new Float32Array(Uint8Array.from(data.subarray(0, 4 * sizeOf(dims))).buffer) };
}

/** The bytes of a .npy file; the data start on a multiple of 64 bytes. */
export function formatNpy({ dims, data }: ImageTensor): Uint8Array {
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11, ' ');
  const prefix = Buffer.from(`${MAGIC}\x01\x00\x00\x00${padded}\n`, 'latin1');
  prefix.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([prefix, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
