/** The embedded teacher as a distance, on photographs it has never seen: what makes it worth training with. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { heldOut } from '../../src/cli/demo-task.js';
import type { ImageTensor } from '../../src/data/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss, type Loss, NormalizedTensorLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { ReLU } from '../../src/nn/index.js';
import { Generator } from '../../src/random/index.js';
import { blur, jpeg, noise, shift } from '../../teacher/distortions.mjs';

const TEACHER = fileURLToPath(new URL('../../assets/teacher.onnx', import.meta.url));

let photos: ImageTensor[] = [];
let perceptual: Loss;
const l1 = new L1Loss();

beforeAll(async () => {
  photos = (await heldOut(new Generator(0))).map(({ target }) => target as ImageTensor);
  const config = new GlobalPercConfig({
    modulesToHook: [ReLU],
    startWeight: 1,
    endWeight: 1,
    lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
    printData: false,
  });
  perceptual = new GlobalPercLoss(await loadModel(TEACHER), config);
});
afterAll(() => Promise.all([perceptual.dispose(), l1.dispose()]));

type Distortion = (photo: ImageTensor) => ImageTensor | Promise<ImageTensor>;

/** Mean distance of the distorted photographs from the originals. */
async function distance(loss: Loss, distortion: Distortion): Promise<number> {
  let sum = 0;
  for (const photo of photos) {
    const { data } = await distortion(photo);
    const dims = [1, ...photo.dims];
    const distorted = { dims, data: data.map((value) => Math.min(1, Math.max(0, value))) };
    sum += await loss.evaluate(distorted, { dims, data: photo.data });
  }
  return sum / photos.length;
}

const noisy =
  (sigma: number): Distortion =>
  (photo) =>
    noise(photo, sigma, new Generator(3));
const lighter =
  (by: number): Distortion =>
  (photo) => ({ dims: photo.dims, data: photo.data.map((value) => value + by) });

describe('grows with the strength of', () => {
  const families: [string, Distortion[]][] = [
    ['blur', [0.5, 0.8, 1.2, 1.8, 2.7].map((sigma) => (photo) => blur(photo, sigma))],
    ['noise', [0.01, 0.02, 0.04, 0.08, 0.16].map(noisy)],
    ['JPEG', [80, 50, 25, 12, 5].map((quality) => (photo) => jpeg(photo, quality))],
    ['shift', [0.25, 0.5, 1, 2, 3].map((pixels) => (photo) => shift(photo, pixels))],
  ];
  it.each(families)('%s', async (_, strengths) => {
    const distances: number[] = [];
    for (const distortion of strengths) distances.push(await distance(perceptual, distortion));
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
  });
});

describe('ranks by visibility where L1 does not', () => {
  /** The first is hardly visible, the second plainly. */
  const pairs: [string, Distortion, string, Distortion][] = [
    ['a photograph 4 % lighter', lighter(0.04), 'a blur of 1.2 pixels', (photo) => blur(photo, 1.2)],
    ['a photograph 4 % lighter', lighter(0.04), 'JPEG of quality 12', (photo) => jpeg(photo, 12)],
    ['a photograph 4 % lighter', lighter(0.04), 'noise of 4 %', noisy(0.04)],
    ['a shift by one pixel', (photo) => shift(photo, 1), 'a blur of 1.2 pixels', (photo) => blur(photo, 1.2)],
  ];
  it.each(pairs.map(([mild, harmless, plain, visible]) => ({ mild, harmless, plain, visible })))(
    '$mild, then $plain',
    async ({ harmless, visible }) => {
      expect(await distance(l1, harmless)).toBeGreaterThan(await distance(l1, visible));
      expect(await distance(perceptual, harmless)).toBeLessThan(await distance(perceptual, visible));
    },
  );
});
