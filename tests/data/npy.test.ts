/** NumPy files of every element type that is read, and damaged ones. */
import { describe, expect, it } from 'vitest';
import { formatNpy, parseNpy } from '../../src/data/index.js';

/** A file as np.save writes it. */
function npy(descr: string, shape: string, data: ArrayBufferView, order = 'False'): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const padded = `${header.padEnd(117, ' ')}\n`;
  const prefix = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${padded}`, 'latin1');
  return Buffer.concat([prefix, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

describe('parseNpy', () => {
  it.each<[string, ArrayBufferView]>([
    ['<f4', Float32Array.of(1, 2)],
    ['<f8', Float64Array.of(1, 2)],
    ['<i8', BigInt64Array.of(1n, 2n)],
    ['<i4', Int32Array.of(1, 2)],
    ['|u1', Uint8Array.of(1, 2)],
  ])('reads %s', (descr, data) => {
    expect(parseNpy(npy(descr, '(2, 1)', data), 'x.npy')).toEqual({ dims: [2, 1], data: Float32Array.of(1, 2) });
  });

  it('reads what formatNpy writes', () => {
    const tensor = { dims: [3], data: Float32Array.of(0.5, -1, 2) };
    expect(parseNpy(formatNpy(tensor), 'x.npy')).toEqual(tensor);
    expect(parseNpy(npy('<f4', '()', Float32Array.of(7)), 'x.npy')).toEqual({ dims: [], data: Float32Array.of(7) });
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['another file', Buffer.from('not a .npy file'), /x\.npy is not a \.npy file/],
    ['complex numbers', npy('<c8', '(1,)', Float32Array.of(1, 2)), /should hold numbers in C order, holds '<c8'/],
    ['Fortran order', npy('<f4', '(1,)', Float32Array.of(1), 'True'), /in C order/],
    ['too few', npy('<f4', '(3,)', Float32Array.of(1)), /truncated: shape \(3\) needs 12 bytes, 4 are there/],
    ['a shape that is none', npy('<f4', '(3, x)', Float32Array.of(1)), /its shape is \(3, x\)/],
    ['no shape', npy('<f4', 'None', Float32Array.of(1)), /its shape is \(missing\)/],
  ])('refuses %s', (_name, bytes, message) => {
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(message);
  });
});
