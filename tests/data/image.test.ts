/** Images read from files. */
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../src/data/image.js';
import { encodePng, formatNpy, readImage } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { PHOTOGRAPH, put, randomImage, temporaryFolder } from './images.js';

const root = temporaryFolder();
let folder = root;
beforeEach(({ task }) => {
  folder = join(root, task.id);
});

/** One row of a red and a blue pixel. */
const redBlue = () => sharp(Uint8Array.of(255, 0, 0, 0, 0, 255), { raw: { width: 2, height: 1, channels: 3 } });

describe('readImage', () => {
  it('gives [1, 3, H, W] in [0, 1]', async () => {
    const { dims, data } = await readImage(PHOTOGRAPH);
    expect(dims).toEqual([1, 3, 750, 1024]);
    expect(data).toHaveLength(3 * 750 * 1024);
    expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
  });

  it('reads what encodePng wrote, to half a step of 8 bits', async () => {
    const image = randomImage(3, 5, 7);
    const { dims, data } = await readImage(await put(join(folder, 'x.png'), await encodePng(image)));
    expect(dims).toEqual([1, ...image.dims]);
    expect(Math.max(...data.map((value, i) => Math.abs(value - (image.data[i] as number))))).toBeLessThan(0.501 / 255);
  });

  it.each(['png', 'webp'] as const)('reads %s channel by channel', async (format) => {
    const bytes = await redBlue().toFormat(format, { lossless: true }).toBuffer();
    const { data } = await readImage(await put(join(folder, `x.${format}`), bytes));
    expect(Array.from(data)).toEqual([1, 0, 0, 0, 0, 1]);
  });

  it('makes grey RGB', async () => {
    const grey = sharp(Uint8Array.of(51), { raw: { width: 1, height: 1, channels: 1 } }).toColourspace('b-w');
    const read = async (name: string, image: Sharp) =>
      Array.from((await readImage(await put(join(folder, name), await image.png().toBuffer()))).data);
    expect(await read('grey.png', grey)).toEqual(Array(3).fill(Math.fround(0.2)));
  });

  it('turns an image as its EXIF says', async () => {
    const bytes = await redBlue().withMetadata({ orientation: 6 }).png().toBuffer();
    const { dims, data } = await readImage(await put(join(folder, 'x.png'), bytes));
    expect(dims).toEqual([1, 3, 2, 1]);
    expect(Array.from(data)).toEqual([1, 0, 0, 0, 0, 1]);
  });

  it('takes a .npy as it is', async () => {
    const tensor = { dims: [2, 1, 2], data: Float32Array.of(-1, 0.5, 2, 1e9) };
    expect(await readImage(await put(join(folder, 'x.npy'), formatNpy(tensor)))).toEqual(tensor);
  });

  it.each([
    ['missing.png', /^cannot read '.*missing\.png': there is no such file$/],
    ['missing.npy', /^cannot read '.*missing\.npy': there is no such file$/],
    ['', /^cannot read '.*': it is a folder; name a file$/],
    [
      'text.png',
      /text\.png is not an image that can be read: it is a file that begins like no image that is known; read are PNG, JPEG,/,
    ],
    ['empty.jpg', /empty\.jpg is not an image that can be read: it is empty; /],
    ['text.npy', /text\.npy is not a \.npy file$/],
    ['text.png/below.png', /^cannot read '.*below\.png': its path leads through a file$/],
  ])('refuses %j', async (name, message) => {
    for (const file of ['text.png', 'text.npy']) await put(join(folder, file), 'no image, only text');
    await put(join(folder, 'empty.jpg'), '');
    await expect(readImage(join(folder, name))).rejects.toThrow(GlobalPercError);
    await expect(readImage(join(folder, name))).rejects.toThrow(message);
  });
});

it('decode scales to cover a size and cuts off both sides alike', async () => {
  const strips = Uint8Array.from({ length: 3 * 8 * 24 }, (_, i) => {
    const column = Math.floor(i / 3) % 24;
    return column < 8 || column >= 16 ? 0 : 255;
  });
  const bytes = await sharp(strips, { raw: { width: 24, height: 8, channels: 3 } })
    .png()
    .toBuffer();
  const { samples: pixels, height, width } = await decode(bytes, { size: [4, 4] });
  expect([height, width]).toEqual([4, 4]);
  expect(pixels.filter((value) => value < 200)).toHaveLength(0);
});
