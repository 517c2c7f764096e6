/** Tensors as pictures. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type ContactSheet, contactSheet, encodePng, type ImageTensor } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { randomImage } from './images.js';

async function decoded(png: Uint8Array) {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const pixel = (y: number, x: number): number[] => [
    ...data.subarray(info.channels * (y * info.width + x), info.channels * (y * info.width + x) + 3),
  ];
  return { ...info, data, pixel };
}

const constant = (value: number, height: number, width = height): ImageTensor => ({
  dims: [3, height, width],
  data: new Float32Array(3 * height * width).fill(value),
});

describe('encodePng', () => {
  it('writes colours, clamped', async () => {
    const data = Float32Array.of(0, 1, 0.5, 2, -1, 0.2);
    const image = await decoded(await encodePng({ dims: [3, 1, 2], data }));
    expect([image.height, image.width]).toEqual([1, 2]);
    expect([image.pixel(0, 0), image.pixel(0, 1)]).toEqual([
      [0, 128, 0],
      [255, 255, 51],
    ]);
  });

  it('writes grey', async () => {
    const image = await decoded(await encodePng({ dims: [1, 1, 2], data: Float32Array.of(0.2, Number.NaN) }));
    expect([image.pixel(0, 0), image.pixel(0, 1)]).toEqual([
      [51, 51, 51],
      [0, 0, 0],
    ]);
  });

  it.each([[[1, 3, 2, 2]], [[4, 2, 2]], [[3, 2, 3]], [[3, 0, 2]]])('refuses the shape %j', async (dims) => {
    const image = { dims, data: new Float32Array(dims[1] === 0 ? 0 : 12) };
    await expect(encodePng(image)).rejects.toThrow(GlobalPercError);
    await expect(encodePng(image)).rejects.toThrow(/should have the shape \[3, H, W\] or \[1, H, W\], got/);
  });
});

describe('contactSheet', () => {
  const sheet = (more: Partial<ContactSheet> = {}) =>
    contactSheet({ columns: ['input', 'target'], rows: [{ images: [constant(0, 64), constant(1, 64)] }], ...more });

  it('enlarges small images to squares of at least 192 pixels a side, without blurring', async () => {
    const image = randomImage(3, 50, 60);
    const { data, width, pixel } = await decoded(await sheet({ columns: ['x'], rows: [{ images: [image] }] }));
    const area = 50 * 60;
    const [top, left] = [40, 12];
    for (const [y, x] of [
      [0, 0],
      [3, 3],
      [4, 4],
      [199, 239],
    ] as const) {
      const at = Math.floor(y / 4) * 60 + Math.floor(x / 4);
      const expected = [0, 1, 2].map((channel) => Math.round(255 * (image.data[channel * area + at] as number)));
      expect(pixel(top + y, left + x)).toEqual(expected);
    }
    expect(width).toBe(12 + 240 + 12);
    expect(data.length).toBeGreaterThan(0);
  });

  it('leaves room for labels only where there are any', async () => {
    const bare = await decoded(await sheet());
    const labelled = await decoded(
      await sheet({ rows: [{ label: 'step 100', images: [constant(0, 64), constant(1, 64)] }] }),
    );
    expect(labelled.height).toBe(bare.height);
    expect(labelled.width).toBeGreaterThan(bare.width + 50);
  });

  it('shows small inputs as large as their targets', async () => {
    const { height, width, pixel } = await decoded(
      await sheet({ rows: [{ images: [constant(0, 64), constant(0, 256)] }], scale: 1 }),
    );
    expect([height, width]).toEqual([40 + 256 + 12, 12 + 256 + 12 + 256 + 12]);
    expect([pixel(40, 12), pixel(295, 267), pixel(295, 268)]).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [255, 255, 255],
    ]);
  });

  it('writes headings with any characters', async () => {
    const dark = async (columns: string[]) => {
      const { data, width } = await decoded(
        await sheet({ columns, rows: [{ images: [constant(1, 64), constant(1, 64)] }] }),
      );
      return data.subarray(0, 3 * width * 40).filter((value) => value < 128).length;
    };
    expect(await dark(['', ''])).toBe(0);
    expect(await dark(['<a> & "b"', "it's"])).toBeGreaterThan(100);
  });

  it.each<[string, Partial<ContactSheet>, RegExp]>([
    ['no rows', { rows: [] }, /at least one row and one column/],
    ['no columns', { rows: [{ images: [] }], columns: [] }, /at least one row and one column/],
    ['a row too short', { rows: [{ images: [constant(0, 8)] }] }, /row 0 has 1 images, the sheet 2 columns/],
    ['half a scale', { scale: 0.5 }, /contactSheet: scale should be an integer from 1 on, got 0.5/],
    [
      'a batch',
      { columns: ['x'], rows: [{ images: [{ dims: [1, 3, 8, 8], data: new Float32Array(192) }] }] },
      /got \[1,3/,
    ],
  ])('refuses %s', async (_label, more, message) => {
    await expect(sheet(more)).rejects.toThrow(GlobalPercError);
    await expect(sheet(more)).rejects.toThrow(message);
  });
});
