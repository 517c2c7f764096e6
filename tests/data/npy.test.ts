/** NumPy files of every element type and order that is read, and damaged ones. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatNpy, parseNpy } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';

interface Case {
  readonly name: string;
  readonly file: string;
  readonly dims: readonly number[];
  readonly values: readonly number[];
  readonly refused?: string;
}

const cases = (
  JSON.parse(readFileSync(new URL('../../fixtures/data/npy.json', import.meta.url), 'utf8')) as Case[]
).map((test) => ({ ...test, bytes: new Uint8Array(Buffer.from(test.file, 'base64')) }));

/** A file as np.save writes it. */
function npy(descr: string, shape: string, data: ArrayBufferView, order = 'False'): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const padded = `${header.padEnd(117, ' ')}\n`;
  const prefix = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${padded}`, 'latin1');
  return Buffer.concat([prefix, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

const one = Float32Array.of(1);

describe('parseNpy', () => {
  it.each(cases.filter(({ refused }) => refused === undefined))('reads $name', ({ bytes, dims, values }) => {
    expect(parseNpy(bytes, 'x.npy')).toEqual({ dims, data: Float32Array.from(values) });
  });

  it('leaves the bytes as they were', () => {
    const { bytes } = cases.find(({ name }) => name === '>f4') as { bytes: Uint8Array };
    const before = bytes.slice();
    parseNpy(bytes, 'x.npy');
    expect(bytes).toEqual(before);
  });

  it('reads what formatNpy writes', () => {
    const tensor = { dims: [3], data: Float32Array.of(0.5, -1, 2) };
    expect(parseNpy(formatNpy(tensor), 'x.npy')).toEqual(tensor);
    expect(parseNpy(npy('<f4', '()', Float32Array.of(7)), 'x.npy')).toEqual({ dims: [], data: Float32Array.of(7) });
  });

  it.each(cases.flatMap(({ refused, ...test }) => (refused ? [{ ...test, refused }] : [])))(
    'refuses $name by its type',
    ({ bytes, refused }) => {
      expect(() => parseNpy(bytes, 'x.npy')).toThrow(`x.npy should hold real numbers or booleans, holds ${refused};`);
    },
  );

  it.each<[string, Uint8Array, RegExp]>([
    ['another file', Buffer.from('not a .npy file'), /^x\.npy is not a \.npy file$/],
    ['nothing', new Uint8Array(), /x\.npy is not a \.npy file: it is empty/],
    [
      'a pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      /not a \.npy file: it is a Git LFS pointer/,
    ],
    ['a picture', Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1'), /not a \.npy file: it is a PNG image/],
    ['its first bytes alone', npy('<f4', '(1,)', one).subarray(0, 9), /^x\.npy is not a \.npy file$/],
    ['half a header', npy('<f4', '(1,)', one).subarray(0, 20), /holds nothing/],
    ['too few', npy('<f4', '(3,)', one), /truncated: shape \(3\) needs 12 bytes, 4 are there/],
    ['a shape that lies', npy('<f4', '(1000000, 1000000, 1000000)', one), /truncated: shape .* 4 are there/],
    ['a shape that is none', npy('<f4', '(3, x)', one), /its shape is \(3, x\)/],
    ['no shape', npy('<f4', 'None', one), /its shape is \(missing\)/],
    ['no order', npy('<f4', '(1,)', one, 'None'), /its fortran_order missing/],
  ])('refuses %s', (_name, bytes, message) => {
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(GlobalPercError);
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(message);
  });
});
