/** safetensors: what is written is read, what is malformed is refused. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSafetensors, parseSafetensors, type SafeTensor } from '../../src/data/index.js';
import { bytesPerElement, type DataType, GlobalPercError, sizeOf, typedArray } from '../../src/graph/index.js';
import { readFixture } from '../support/safetensors.js';

const DTYPES: DataType[] = [
  ...(['float32', 'float64', 'float16', 'bfloat16', 'bool'] as const),
  ...(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const),
];

const tensor = fc
  .record({ dtype: fc.constantFrom(...DTYPES), dims: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }) })
  .chain(({ dtype, dims }) => {
    const count = sizeOf(dims) * bytesPerElement(dtype);
    return fc
      .uint8Array({ minLength: count, maxLength: count })
      .map((bytes): SafeTensor => ({ dtype, dims, data: typedArray(dtype, bytes) }));
  });

const bytesOf = ({ data }: SafeTensor): number[] => [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];

it('a file holds what was written, whatever the types, names and metadata', () => {
  const name = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__metadata__');
  const property = fc.property(
    fc.dictionary(name, tensor, { noNullPrototype: true }),
    fc.dictionary(name, fc.string(), { noNullPrototype: true }),
    (tensors, metadata) => {
      const read = parseSafetensors(formatSafetensors(tensors, metadata), 'file');
      expect(read.metadata).toEqual(metadata);
      expect(new Set(read.tensors.keys())).toEqual(new Set(Object.keys(tensors)));
      for (const [key, { dtype, dims, data }] of read.tensors) {
        const written = tensors[key] as SafeTensor;
        expect({ dtype, dims }).toEqual({ dtype: written.dtype, dims: written.dims });
        expect(data.constructor).toBe(written.data.constructor);
        expect(bytesOf({ dtype, dims, data })).toEqual(bytesOf(written));
      }
    },
  );
  fc.assert(property);
});

it('the header ends at a multiple of 8, and every tensor begins at one of its element', () => {
  const bytes = formatSafetensors({
    flag: { dtype: 'bool', dims: [3], data: Uint8Array.of(1, 0, 1) },
    weight: { dtype: 'float32', dims: [1], data: Float32Array.of(0.5) },
    step: { dtype: 'int64', dims: [], data: BigInt64Array.of(7n) },
  });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(length % 8).toBe(0);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  expect(header).toEqual({
    step: { dtype: 'I64', shape: [], data_offsets: [0, 8] },
    weight: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
    flag: { dtype: 'BOOL', shape: [3], data_offsets: [12, 15] },
  });
});

it('reads a file of bytes that begin anywhere, and gives each tensor data of its own', () => {
  const file = formatSafetensors({ x: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) } });
  const shifted = new Uint8Array(file.length + 3);
  shifted.set(file, 3);
  const x = parseSafetensors(shifted.subarray(3), 'file').tensors.get('x');
  shifted.fill(0);
  expect(x?.data).toEqual(Float32Array.of(1, 2));
  expect(x?.data.buffer.byteLength).toBe(8);
});

it.each(['losses', 'layers/criteria', 'optimizers/optimizers'])('reads what Python wrote: %s', (name) => {
  const path = `${name}.safetensors`;
  const bytes = readFileSync(new URL(`../../fixtures/data/${path}`, import.meta.url));
  const { tensors, metadata } = parseSafetensors(bytes, path);
  const fixture = readFixture(path);
  expect(JSON.parse(metadata.cases as string)).toEqual(fixture.cases);
  expect(tensors.size).toBeGreaterThan(0);
  for (const [key, { dtype, dims, data }] of tensors) {
    const expected = fixture.tensor(key);
    expect({ dtype, dims }).toEqual({ dtype: expected.dtype, dims: expected.shape });
    expect(bytesOf({ dtype, dims, data })).toEqual([...expected.bytes]);
  }
});

describe('a malformed file', () => {
  /** A file with this header and so many bytes of data. */
  function file(header: unknown, dataBytes = 0): Uint8Array {
    const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
    const bytes = new Uint8Array(8 + text.length + dataBytes);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    return bytes;
  }
  const entry = (begin: number, end: number, more: object = {}) => ({
    dtype: 'U8',
    shape: [end - begin],
    data_offsets: [begin, end],
    ...more,
  });
  const huge = new Uint8Array(16).fill(255);

  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(), /^m\.safetensors is truncated: .* at least 8 bytes, this one 0/],
    ['a header longer than the file', file({}).subarray(0, 9), /truncated, or no .* should have 2 bytes, 1 are there/],
    ['a header beyond all bounds', huge, /should have 18446744073709551615 bytes, 8 are there/],
    ['a header that is not JSON', file('{"a"'), /its header is not a JSON object/],
    ['a header that is not text', Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0xff), /its header is not a JSON object/],
    ['a header that is a list', file([]), /its header is not a JSON object/],
    ['a header that is null', file('null'), /its header is not a JSON object/],
    ['metadata that are not text', file({ __metadata__: { a: 1 } }), /__metadata__ should map names to text/],
    ['metadata that are a list', file({ __metadata__: ['a'] }), /__metadata__ should map names to text/],
    ['an entry that is null', file({ a: null }), /tensor 'a' has the dtype undefined/],
    ['an unknown dtype', file({ a: entry(0, 1, { dtype: 'F8_E4M3' }) }, 1), /the dtype "F8_E4M3"; known are F64, F32/],
    ['a list of dtypes', file({ a: entry(0, 1, { dtype: ['U8'] }) }, 1), /the dtype \["U8"\]; known/],
    ['a dtype of every object', file({ a: entry(0, 1, { dtype: 'toString' }) }, 1), /the dtype "toString"/],
    ['a negative shape', file({ a: entry(0, 1, { shape: [-1] }) }, 1), /'a' has the shape \[-1\]/],
    ['a shape that is a number', file({ a: entry(0, 1, { shape: 1 }) }, 1), /'a' has the shape 1;/],
    ['no offsets', file({ a: { dtype: 'U8', shape: [0] } }), /data_offsets undefined; expected \[begin, end\]/],
    ['three offsets', file({ a: entry(0, 1, { data_offsets: [0, 1, 2] }) }, 2), /data_offsets \[0,1,2\]/],
    ['offsets that go back', file({ a: entry(0, 1, { data_offsets: [1, 0] }) }, 1), /data_offsets \[1,0\]/],
    ['a fraction of a byte', file({ a: entry(0, 1, { data_offsets: [0, 0.5] }) }, 1), /data_offsets \[0,0\.5\]/],
    ['too few bytes', file({ a: entry(0, 3, { dtype: 'F32', shape: [1] }) }, 3), /F32 \[1\], needs 4 bytes, .* span 3/],
    ['offsets beyond the end', file({ a: entry(0, 4) }, 3), /is truncated: its tensors need 4 bytes, 3 are there/],
    ['overlapping tensors', file({ a: entry(0, 4), b: entry(2, 6) }, 6), /'b' begins at byte 2, inside the one before/],
    ['a gap', file({ a: entry(0, 2), b: entry(4, 6) }, 6), /the bytes 2 to 4 of its data belong to no tensor/],
    ['bytes at the end', file({ a: entry(0, 2) }, 3), /the bytes 2 to 3 of its data belong to no tensor/],
  ])('%s', (_label, bytes, message) => {
    const read = () => parseSafetensors(bytes, 'm.safetensors');
    expect(read).toThrow(GlobalPercError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^m\.safetensors is /);
  });

  it('is refused wherever it was cut off', () => {
    const whole = formatSafetensors({ a: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) } });
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => parseSafetensors(whole.subarray(0, length), 'cut')).toThrow(/^cut is truncated/);
    }
  });

  it.each<[string, Record<string, SafeTensor>, RegExp]>([
    [
      'data of another length',
      { a: { dtype: 'float32', dims: [2], data: new Float32Array(3) } },
      /needs 8 bytes, .* 12/,
    ],
    ['the name of the metadata', { __metadata__: { dtype: 'bool', dims: [0], data: new Uint8Array() } }, /cannot be/],
  ])('is not written: %s', (_label, tensors, message) => {
    expect(() => formatSafetensors(tensors)).toThrow(message);
  });
});
