/** Images of every sample format and colour profile, against values computed from the profile's own formula. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/data/colour-profile.js';
import { decode } from '../../src/data/image.js';
import { readImage } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';

const path = (name: string): string => fileURLToPath(new URL(`../../fixtures/data/${name}`, import.meta.url));

interface Case {
  readonly file: string;
  readonly dims: readonly number[];
  readonly pixels: readonly number[];
  readonly tolerance: number;
}

const cases = JSON.parse(readFileSync(path('images/expected.json'), 'utf8')) as Case[];

const worst = (found: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(found).toHaveLength(expected.length);
  return Math.max(...Array.from(expected, (value, i) => Math.abs((found[i] as number) - value)));
};

it.each(cases)('$file is read by its value', async ({ file, dims, pixels, tolerance }) => {
  const image = await readImage(path(`images/${file}`), { alpha: 'drop' });
  expect(image.dims).toEqual([1, ...dims]);
  expect(worst(image.data, pixels)).toBeLessThan(tolerance);
});

const clear = cases.filter(({ file }) => /a(8|16)|^f.*a\.tiff/.test(file));
it.each(clear)('$file, half clear, is composed over white', async ({ file, pixels, tolerance }) => {
  const { data } = await readImage(path(`images/${file}`));
  const step = file.startsWith('f') ? 0 : 1 / (file.includes('16') ? 65535 : 255);
  const half = pixels.map((value) => 0.5 * value + 0.5);
  expect(worst(data, half)).toBeLessThan(tolerance + step);
});

it('a palette whose first colour is half clear is composed over white', async () => {
  const { pixels } = cases.find(({ file }) => file === 'palette.png') as Case;
  const { data } = await readImage(path('images/palette.png'));
  const isHalf = Array.from(data, (value, i) => Math.abs(value - (0.5 * (pixels[i] as number) + 0.5)) < 1.01 / 255);
  const isOpaque = Array.from(data, (value, i) => Math.abs(value - (pixels[i] as number)) < 1e-6);
  expect(isHalf.every((half, i) => half || isOpaque[i])).toBe(true);
  expect(isOpaque.filter((opaque) => !opaque).length).toBeGreaterThan(2);
});

describe('files that were read wrongly', () => {
  const read = async (name: string): Promise<Float32Array> => (await readImage(path(`cases/${name}`))).data;

  it('16-bit red with an sRGB profile is red', async () => {
    const data = await read('red16_srgbicc.png');
    const area = data.length / 3;
    expect(
      worst(
        data,
        Float32Array.from(data, (_, i) => (i < area ? 1 : 0)),
      ),
    ).toBeLessThan(1 / 65535);
  });

  it('16 bits with an sRGB profile keep their steps; the twin in 8 bits is cut off to the next lower one', async () => {
    const [data, twin] = [await read('rgb16_srgbicc.png'), await read('rgb.png')];
    expect(
      worst(
        data.subarray(0, 32),
        Float32Array.from({ length: 32 }, (_, x) => x / 31),
      ),
    ).toBeLessThan(1 / 65535);
    expect(worst(data, twin)).toBeLessThan(1 / 255);
  });

  it('floats are not black', async () => {
    const data = await read('f32_grey.tiff');
    expect(Array.from(data.subarray(0, 4))).toEqual([0, 8, 16, 24].map((value) => Math.fround(value / 255)));
    expect([Math.min(...data), Math.max(...data), data[5 * 32 + 7]]).toEqual([0, 1, Math.fround(57 / 255)]);
  });
});

describe('refuses', () => {
  it.each([
    ['nan', 'its float samples should be in [0, 1], one is NaN (row 2, column 3)'],
    ['infinite', 'one is Infinity'],
    ['negative', 'one is -0.25'],
    ['above', 'one is 1.5'],
    ['f16-grey', 'its samples are grey half-precision floats'],
    ['f16-greya', 'its samples are grey half-precision floats'],
    ['float64', 'its samples are of a type that is not read'],
    ['complex64', 'its samples are of a type that is not read'],
    ['int8', 'its samples are of the type char'],
    ['int16', 'its samples are of the type short'],
    ['int32', 'its samples are of the type int;'],
    ['bands', 'exceeds channel limit'],
  ])('%s samples', async (name, message) => {
    const reading = readImage(path(`images/refused-${name}.tiff`));
    await expect(reading).rejects.toThrow(GlobalPercError);
    await expect(reading).rejects.toMatchObject({ code: 'invalid-file', message: expect.stringContaining(message) });
  });
});

describe('colour profiles', () => {
  const adobe = async (): Promise<Uint8Array> =>
    Uint8Array.from((await sharp(path('images/rgb16-adobe.png')).metadata()).icc as Uint8Array);
  const grey = Float32Array.of(0.5, 0.5, 0.5);

  it.each<[string, (icc: Uint8Array) => Uint8Array]>([
    ['cut short', (icc) => icc.slice(0, 200)],
    ['without its mark', (icc) => icc.fill(0, 36, 40)],
    ['empty', () => new Uint8Array()],
  ])('%s are ignored', async (_, damage) => {
    const samples = Float32Array.of(0.1, 0.9, 0.3);
    applyProfile(damage(await adobe()), samples, false);
    expect(samples).toEqual(Float32Array.of(0.1, 0.9, 0.3));
  });

  it('for other channels are ignored', async () => {
    const samples = grey.slice();
    applyProfile(await adobe(), samples, true);
    expect(samples).toEqual(grey);
  });

  it('that are tables are refused', async () => {
    const icc = await adobe();
    const text = Buffer.from(icc).toString('latin1').replace('rXYZ', 'A2B0');
    const tables = Uint8Array.from(Buffer.from(text, 'latin1'));
    expect(() => applyProfile(tables, grey.slice(), false)).toThrow(
      /not made of curves and a matrix, .* convert it to/,
    );
  });

  /** A grey profile of one curve, as big-endian bytes behind the name of its type. */
  function greyProfile(type: string, body: readonly number[]): Uint8Array {
    const icc = new Uint8Array(144 + 8 + body.length);
    const view = new DataView(icc.buffer);
    const write = (text: string, at: number): void => void icc.set(Buffer.from(text, 'latin1'), at);
    write('GRAY', 16);
    write('acsp', 36);
    view.setUint32(128, 1);
    write('kTRC', 132);
    view.setUint32(136, 144);
    view.setUint32(140, 8 + body.length);
    write(type, 144);
    icc.set(body, 152);
    return icc;
  }
  const words = (...values: number[]): number[] => values.flatMap((value) => [(value >> 8) & 255, value & 255]);
  const longs = (...values: number[]): number[] =>
    values.flatMap((value) => words(Math.floor(value) & 65535, Math.round((value % 1) * 65536)));
  const linear = (encoded: number): number =>
    encoded <= 0.04045 ? encoded / 12.92 : ((encoded + 0.055) / 1.055) ** 2.4;

  it.each<[string, string, number[], (x: number) => number]>([
    ['a straight line', 'curv', words(0, 0), (x) => x],
    ['an exponent', 'curv', words(0, 1, 2 * 256), (x) => x ** 2],
    ['three values', 'curv', words(0, 3, 0, 13107, 65535), (x) => (x < 0.5 ? 0.4 * x : 0.2 + 1.6 * (x - 0.5))],
    ['parametric, type 0', 'para', [...words(0, 0), ...longs(2)], (x) => x ** 2],
    ['parametric, type 1', 'para', [...words(1, 0), ...longs(2, 2, 0.25)], (x) => (2 * x + 0.25) ** 2],
    [
      'parametric, type 2',
      'para',
      [...words(2, 0), ...longs(2, 0.5, 0.25, 0.125)],
      (x) => (0.5 * x + 0.25) ** 2 + 0.125,
    ],
    [
      'parametric, type 3',
      'para',
      [...words(3, 0), ...longs(2, 1, 0, 0.25, 0.5)],
      (x) => (x < 0.5 ? 0.25 * x : x ** 2),
    ],
    [
      'parametric, type 4',
      'para',
      [...words(4, 0), ...longs(2, 0.5, 0.25, 0.25, 0.5, 0.125, 0.0625)],
      (x) => (x < 0.5 ? 0.25 * x + 0.0625 : (0.5 * x + 0.25) ** 2 + 0.125),
    ],
  ])('curves: %s', (_, type, body, curve) => {
    for (const x of [0, 0.1, 0.3, 0.5, 0.7]) {
      const samples = Float32Array.of(x, x, x);
      applyProfile(greyProfile(type, body), samples, true);
      expect(linear(samples[0] as number)).toBeCloseTo(Math.min(curve(Math.fround(x)), 1), 6);
      expect(samples[2]).toBe(samples[0]);
    }
  });
});

describe('16 bits are scaled to a size', () => {
  it('without losing precision', async () => {
    const { samples, height, width } = await decode(path('images/rgb16.png'), { size: [3, 4] });
    expect([height, width, samples.length]).toEqual([3, 4, 36]);
    expect(samples).toBeInstanceOf(Float32Array);
    const bytes = await decode(path('images/rgb8.png'), { size: [3, 4] });
    expect(
      worst(
        samples,
        Float32Array.from(bytes.samples, (value) => value / 255),
      ),
    ).toBeLessThan(1.01 / 255);
    expect(samples.some((value) => Math.abs(value * 255 - Math.round(value * 255)) > 0.1)).toBe(true);
  });

  it('in sRGB', async () => {
    const { samples } = await decode(path('cases/red16_srgbicc.png'), { size: [6, 8] });
    expect(
      worst(
        samples,
        Float32Array.from(samples, (_, i) => (i % 3 === 0 ? 1 : 0)),
      ),
    ).toBeLessThan(2 / 65535);
  });
});

describe('other kinds of images', () => {
  const red = (): Sharp => sharp({ create: { width: 16, height: 16, channels: 3, background: '#ff0000' } });
  const colour = async (bytes: Uint8Array): Promise<number[]> => {
    const { samples } = await decode(bytes);
    const most = samples instanceof Uint8Array ? 1 : 255;
    return Array.from(samples.subarray(0, 3), (value) => Math.round(value * most));
  };

  it('CMYK is converted', async () => {
    const [r, g, b] = await colour(await red().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer());
    expect(r).toBeGreaterThan(220);
    expect(Math.max(g as number, b as number)).toBeLessThan(50);
  });

  it('Lab is converted', async () => {
    const [r, ...others] = await colour(await red().toColourspace('lab').tiff().toBuffer());
    expect(r).toBeGreaterThan(252);
    expect(others).toEqual([0, 0]);
  });

  it('of an animation the first picture is read', async () => {
    const frames = Uint8Array.from({ length: 3 * 4 * 8 }, (_, i) => (i < 48 ? 255 : 0));
    const gif = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    const { samples, height, width } = await decode(gif);
    expect([height, width, ...new Set(samples)]).toEqual([4, 4, 255]);
  });

  it('white of 10 and 12 bits is white', async () => {
    const white = sharp(new Uint16Array(3 * 16 * 16).fill(65535), { raw: { width: 16, height: 16, channels: 3 } });
    for (const bitdepth of [10, 12] as const) {
      const { samples } = await decode(
        await white.toColourspace('rgb16').avif({ bitdepth, lossless: true }).toBuffer(),
      );
      expect(worst(samples, new Float32Array(samples.length).fill(1))).toBe(0);
    }
  });
});
