/** Transparency in every kind of samples: composed over white, or dropped. */
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readImage } from '../../src/data/index.js';
import { put, temporaryFolder } from './images.js';

const folder = temporaryFolder();

type Samples = Uint8Array | Uint16Array | Uint32Array | Float32Array;

/** A little-endian TIFF of 2 × 2 pixels. @param extra 2: colours as they are; 1: colours that were multiplied by alpha. */
function tiff(samples: Samples, extra: 1 | 2): Uint8Array {
  const channels = samples.length / 4;
  const bits = 8 * samples.BYTES_PER_ELEMENT;
  const format = samples instanceof Float32Array ? 3 : 1;
  const lists = 8 + 2 + 11 * 12 + 4;
  const data = lists + 4 * channels;
  // A list of two shorts stands in the entry itself.
  const listed = (value: number, at: number): number => (channels > 2 ? at : value | (value << 16));
  const entries = [
    [256, 4, 1, 2],
    [257, 4, 1, 2],
    [258, 3, channels, listed(bits, lists)],
    [259, 3, 1, 1],
    [262, 3, 1, channels > 2 ? 2 : 1],
    [273, 4, 1, data],
    [277, 3, 1, channels],
    [278, 4, 1, 2],
    [279, 4, 1, samples.byteLength],
    [338, 3, 1, extra],
    [339, 3, channels, listed(format, lists + 2 * channels)],
  ] as const;
  const bytes = new Uint8Array(data + samples.byteLength);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('II*\0', 'latin1'));
  view.setUint32(4, 8, true);
  view.setUint16(8, entries.length, true);
  for (const [i, [tag, type, count, value]] of entries.entries()) {
    view.setUint16(10 + 12 * i, tag, true);
    view.setUint16(12 + 12 * i, type, true);
    view.setUint32(14 + 12 * i, count, true);
    view.setUint32(18 + 12 * i, value, true);
  }
  for (let i = 0; i < channels; i += 1) {
    view.setUint16(lists + 2 * i, bits, true);
    view.setUint16(lists + 2 * (channels + i), format, true);
  }
  bytes.set(new Uint8Array(samples.buffer), data);
  return bytes;
}

/** Colours below alpha, so that they may have been multiplied by it; the last pixel is opaque. */
const RGBA = [0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.5, 0.6, 0.1, 0, 0.75, 0.7, 0.8, 0.9, 1];
const GREY = [0.1, 0.25, 0.5, 0.5, 0.3, 0.75, 0.7, 1];
const integers = <T extends Samples>(values: readonly number[], make: (values: number[]) => T, most: number): T =>
  make(values.map((value) => Math.round(value * most)));
const bytesOf = (values: readonly number[]) => integers(values, (x) => Uint8Array.from(x), 255);
const shortsOf = (values: readonly number[]) => integers(values, (x) => Uint16Array.from(x), 65535);
const wordsOf = (values: readonly number[]) => integers(values, (x) => Uint32Array.from(x), 2 ** 32 - 1);
const floatsOf = (values: readonly number[]) => Float32Array.from(values);

/** [3, 2, 2] of the samples. @param colour what becomes of a colour and its alpha. */
function expected(values: readonly number[], colour: (value: number, alpha: number) => number): number[] {
  const channels = values.length / 4;
  return Array.from({ length: 12 }, (_, i) => {
    const [pixel, channel] = [i % 4, channels > 2 ? Math.floor(i / 4) : 0];
    return colour(values[pixel * channels + channel] as number, values[pixel * channels + channels - 1] as number);
  });
}

const png = (samples: Uint8Array | Uint16Array): Promise<Uint8Array> =>
  sharp(samples, { raw: { width: 2, height: 2, channels: 4 } })
    .toColourspace(samples instanceof Uint16Array ? 'rgb16' : 'srgb')
    .png()
    .toBuffer();

describe.each<[string, () => Uint8Array | Promise<Uint8Array>, readonly number[], boolean, number]>([
  ['8-bit PNG', () => png(bytesOf(RGBA)), RGBA, false, 1.01 / 255],
  ['16-bit PNG', () => png(shortsOf(RGBA)), RGBA, false, 1.01 / 65535],
  ['8-bit TIFF', () => tiff(bytesOf(RGBA), 2), RGBA, false, 1.01 / 255],
  ['8-bit TIFF, multiplied', () => tiff(bytesOf(RGBA), 1), RGBA, true, 5 / 255],
  ['16-bit TIFF, multiplied', () => tiff(shortsOf(RGBA), 1), RGBA, true, 5 / 65535],
  ['16-bit grey TIFF', () => tiff(shortsOf(GREY), 2), GREY, false, 1.01 / 65535],
  ['32-bit TIFF', () => tiff(wordsOf(RGBA), 2), RGBA, false, 1e-6],
  ['float TIFF', () => tiff(floatsOf(RGBA), 2), RGBA, false, 1e-6],
  ['float TIFF, multiplied', () => tiff(floatsOf(RGBA), 1), RGBA, true, 1e-6],
  ['float grey TIFF', () => tiff(floatsOf(GREY), 2), GREY, false, 1e-6],
])('%s', (name, make, values, multiplied, tolerance) => {
  const plain = (value: number, alpha: number): number => (multiplied ? value / alpha : value);
  const close = (actual: ArrayLike<number>, wanted: readonly number[]): void => {
    expect(actual).toHaveLength(wanted.length);
    expect(Math.max(...wanted.map((value, i) => Math.abs(value - (actual[i] as number))))).toBeLessThan(tolerance);
  };

  it('is composed over white, or its colours are taken as they are', async () => {
    const path = await put(join(folder, `${name}.img`), await make());
    const over = (value: number, alpha: number): number => alpha * plain(value, alpha) + 1 - alpha;
    close((await readImage(path)).data, expected(values, over));
    close((await readImage(path, { alpha: 'white' })).data, expected(values, over));
    close((await readImage(path, { alpha: 'drop' })).data, expected(values, plain));
  });
});

it('an opaque image is the same either way', async () => {
  const image = sharp({ create: { width: 3, height: 2, channels: 3, background: '#123456' } });
  const path = await put(join(folder, 'opaque.png'), await image.png().toBuffer());
  expect(await readImage(path, { alpha: 'drop' })).toEqual(await readImage(path));
});

it('refuses another way, and alpha outside [0, 1]', async () => {
  await expect(readImage('x.png', { alpha: 'black' as never })).rejects.toThrow(
    'readImage: alpha should be one of white, drop, got "black"',
  );
  const path = await put(join(folder, 'bright.tiff'), tiff(floatsOf(GREY.with(3, 1.5)), 2));
  await expect(readImage(path)).rejects.toThrow(/samples should be in \[0, 1\], one is 1.5 \(row 0, column 1\)/);
});
