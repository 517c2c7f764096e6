/** The demo's perceptual loss as a distance, on parts of photographs: what makes it worth training with. */
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perceptualLoss } from '../../src/cli/demo.js';
import { heldOut } from '../../src/cli/demo-task.js';
import { crop, type ImageTensor } from '../../src/data/index.js';
import { L1Loss, type Loss } from '../../src/loss/index.js';
import { Generator } from '../../src/random/index.js';

const SIDE = 96;
const AREA = SIDE * SIDE;

let parts: Float32Array[] = [];
let perceptual: Loss;
const l1 = new L1Loss();

beforeAll(async () => {
  const photos = await heldOut(new Generator(0));
  const part = { top: 150, left: 150, height: SIDE, width: SIDE };
  parts = photos.map(({ target }) => crop(target as ImageTensor, part).data);
  perceptual = await perceptualLoss();
});
afterAll(() => Promise.all([perceptual.dispose(), l1.dispose()]));

type Distortion = (data: Float32Array) => Float32Array | Promise<Float32Array>;

/** Mean distance of the distorted parts from the originals. */
async function distance(loss: Loss, distortion: Distortion): Promise<number> {
  const dims = [1, 3, SIDE, SIDE];
  let sum = 0;
  for (const part of parts) {
    const distorted = (await distortion(part)).map((value) => Math.min(1, Math.max(0, value)));
    sum += await loss.evaluate({ dims, data: distorted }, { dims, data: part });
  }
  return sum / parts.length;
}

/** Σᵢ weights[i] · the image moved by i − reach pixels along an axis; its border is repeated. */
function filtered(data: Float32Array, axis: 'x' | 'y', weights: readonly number[]): Float32Array {
  const reach = (weights.length - 1) / 2;
  const stride = axis === 'x' ? 1 : SIDE;
  return data.map((_, i) => {
    const place = Math.floor(i / stride) % SIDE;
    const at = (other: number): number => data[i + stride * (Math.min(SIDE - 1, Math.max(0, other)) - place)] as number;
    return weights.reduce((sum, weight, k) => sum + weight * at(place + k - reach), 0);
  });
}

/** Gaussian blur with a standard deviation in pixels. */
const blur =
  (sigma: number): Distortion =>
  (data) => {
    const reach = Math.ceil(3 * sigma);
    const bell = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
    const total = bell.reduce((sum, weight) => sum + weight, 0);
    const weights = bell.map((weight) => weight / total);
    return filtered(filtered(data, 'x', weights), 'y', weights);
  };

/** To the right by up to 3 pixels; between pixels, linearly. */
const shift = (pixels: number): Distortion => {
  const weights = [-3, -2, -1, 0, 1, 2, 3].map((place) => Math.max(0, 1 - Math.abs(place + pixels)));
  return (data) => filtered(data, 'x', weights);
};

/** Normal, with a standard deviation, the same at each call. */
const noise =
  (sigma: number): Distortion =>
  (data) => {
    const generator = new Generator(3);
    return data.map((value) => value + sigma * generator.normal());
  };

const jpeg =
  (quality: number): Distortion =>
  async (data) => {
    const pixels = new Uint8Array(data.length).map((_, i) =>
      Math.round(255 * (data[(i % 3) * AREA + Math.floor(i / 3)] as number)),
    );
    const file = sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } }).jpeg({ quality });
    const decoded = await sharp(await file.toBuffer())
      .raw()
      .toBuffer();
    return data.map((_, i) => (decoded[(i % AREA) * 3 + Math.floor(i / AREA)] as number) / 255);
  };

const lighter =
  (by: number): Distortion =>
  (data) =>
    data.map((value) => value + by);

describe('grows with the strength of', () => {
  const ladders: [string, Distortion[]][] = [
    ['blur', [0.5, 0.8, 1.2, 1.8, 2.7].map(blur)],
    ['noise', [0.01, 0.02, 0.04, 0.08, 0.16].map(noise)],
    ['JPEG', [80, 50, 25, 12, 5].map(jpeg)],
    ['shift', [0.25, 0.5, 1, 2, 3].map(shift)],
  ];
  it.each(ladders)('%s', async (_, strengths) => {
    const distances: number[] = [];
    for (const distortion of strengths) distances.push(await distance(perceptual, distortion));
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
  });
});

describe('ranks by visibility where L1 does not', () => {
  /** The first is hardly visible, the second plainly. */
  const pairs: [string, Distortion, string, Distortion][] = [
    ['4 % lighter', lighter(0.04), 'a blur of 1.2 pixels', blur(1.2)],
    ['4 % lighter', lighter(0.04), 'JPEG of quality 12', jpeg(12)],
    ['4 % lighter', lighter(0.04), 'noise of 4 %', noise(0.04)],
    ['a shift by one pixel', shift(1), 'a blur of 1.2 pixels', blur(1.2)],
  ];
  it.each(pairs.map(([mild, harmless, plain, visible]) => ({ mild, harmless, plain, visible })))(
    '$mild, then $plain',
    async ({ harmless, visible }) => {
      expect(await distance(l1, harmless)).toBeGreaterThan(await distance(l1, visible));
      expect(await distance(perceptual, harmless)).toBeLessThan(await distance(perceptual, visible));
    },
  );
});
