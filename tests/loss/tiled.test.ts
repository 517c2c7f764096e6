/** Losses tile by tile: the mean over tiles, one by one and in one graph, and the gradient of just that. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  optim,
  Trainer,
} from '../../src/index.js';
import { tilesOf } from '../../src/loss/tiles.js';
import { Generator } from '../../src/random/index.js';

const vggPath = fileURLToPath(new URL('../../fixtures/data/models/vgg.torchscript.onnx', import.meta.url));
const generator = new Generator(5);
const random = (dims: number[]) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => generator.uniform()),
});
const perceptual = async () =>
  new GlobalPercLoss(
    await loadModel(vggPath),
    new GlobalPercConfig({
      modulesToHook: ['Conv2d'],
      lossFunc: new NormalizedTensorLoss('l2'),
      printData: false,
    }),
  );

/** Rows and columns of a picture, as a picture. */
function part({ dims, data }: ReturnType<typeof random>, [top, left]: number[], [height, width]: number[]) {
  const [batch, channels, rows, columns] = dims as [number, number, number, number];
  const [h, w, y0, x0] = [height as number, width as number, top as number, left as number];
  const values = Float32Array.from({ length: batch * channels * h * w }, (_, i) => {
    const [plane, y, x] = [Math.floor(i / (h * w)), Math.floor((i % (h * w)) / w), i % w];
    return data[(plane * rows + y0 + y) * columns + x0 + x] as number;
  });
  return { dims: [batch, channels, h, w], data: values };
}

describe('tiles', () => {
  it.each([
    ['one, where the picture is no larger', [8, 8], 16, 0, [[0, 0]]],
    [
      'those that divide it',
      [8, 4],
      4,
      0,
      [
        [0, 0],
        [4, 0],
      ],
    ],
    [
      'spread evenly where they do not',
      [4, 10],
      4,
      0,
      [
        [0, 0],
        [0, 3],
        [0, 6],
      ],
    ],
    [
      'with what they share at least',
      [4, 10],
      4,
      2,
      [
        [0, 0],
        [0, 2],
        [0, 4],
        [0, 6],
      ],
    ],
    [
      'narrower in a narrow picture',
      [2, 8],
      4,
      0,
      [
        [0, 0],
        [0, 4],
      ],
    ],
  ])('%s', (_what, [height, width], tile, overlap, places) => {
    const tiles = tilesOf([1, 3, height as number, width as number], tile, overlap);
    expect(tiles.map(({ top, left }) => [top, left])).toEqual(places);
    for (const each of tiles)
      expect([each.height, each.width]).toEqual([Math.min(tile, height as number), Math.min(tile, width as number)]);
  });
});

describe('a tiled loss', () => {
  const [pred, target] = [random([2, 3, 24, 40]), random([2, 3, 24, 40])];
  const places = [0, 8].flatMap((top) => [0, 12, 24].map((left) => [top, left]));

  it('is the mean of the loss over tiles, and so are hooks and samples; its gradient is put together', async () => {
    await using loss = await perceptual();
    await using tiled = new nn.TiledLoss(loss, { tile: 16, overlap: 3 });
    const { value, grad, hooks, samples } = await tiled.valueAndGrad(pred, target);
    const expected = new Float64Array(pred.data.length);
    let [sum, hooked, sampled] = [0, 0, 0];
    for (const place of places) {
      const one = await loss.valueAndGrad(part(pred, place, [16, 16]), part(target, place, [16, 16]));
      sum += one.value / places.length;
      hooked += (one.hooks[1]?.loss ?? Number.NaN) / places.length;
      sampled += (one.samples?.[1] ?? Number.NaN) / places.length;
      one.grad.data.forEach((slope, i) => {
        const [plane, y, x] = [Math.floor(i / 256), Math.floor((i % 256) / 16), i % 16];
        const at = (plane * 24 + (place[0] as number) + y) * 40 + (place[1] as number) + x;
        expected[at] = (expected[at] as number) + slope / places.length;
      });
    }
    expect(value / sum).toBeCloseTo(1, 5);
    expect((hooks[1]?.loss ?? 0) / hooked).toBeCloseTo(1, 5);
    expect((samples?.[1] ?? 0) / sampled).toBeCloseTo(1, 5);
    expect(grad.dims).toEqual(pred.dims);
    const off = grad.data.map((slope, i) => slope - (expected[i] as number));
    expect(Math.hypot(...off)).toBeLessThan(1e-6 * Math.hypot(...expected) + 1e-12);
    expect(await tiled.evaluate(pred, target)).toBeCloseTo(value, 6);
  });

  it('has the slope of central differences, across borders of tiles', async () => {
    await using tiled = new nn.TiledLoss(await perceptual(), { tile: 16 });
    const { grad } = await tiled.valueAndGrad(pred, target);
    const length = Math.hypot(...grad.data);
    const moved = (step: number) => ({
      ...pred,
      data: pred.data.map((x, i) => x + (step * (grad.data[i] as number)) / length),
    });
    const h = 0.02;
    const slope = ((await tiled.evaluate(moved(h), target)) - (await tiled.evaluate(moved(-h), target))) / (2 * h);
    expect(slope / length).toBeCloseTo(1, 2);
  });

  it('is the same in one graph: against an encoded target, and in a Trainer', async () => {
    const tiled = new nn.TiledLoss(await perceptual(), { tile: 16, overlap: 3 });
    const alone = await tiled.valueAndGrad(pred, target);
    await using encoded = await tiled.encode(target);
    const together = await tiled.valueAndGrad(pred, encoded);
    expect(together.value / alone.value).toBeCloseTo(1, 5);
    expect(together.hooks.map(({ path }) => path)).toEqual(alone.hooks.map(({ path }) => path));
    const off = together.grad.data.map((slope, i) => slope - (alone.grad.data[i] as number));
    expect(Math.hypot(...off) / Math.hypot(...alone.grad.data)).toBeLessThan(1e-5);
    const student = new nn.Conv2d(3, 3, 1);
    await using trainer = await Trainer.create(student, tiled, new optim.SGD({ lr: 0 }), { batch: pred.dims });
    const output = await trainer.predict(pred);
    const { loss } = await trainer.step(pred, target);
    expect(loss / (await tiled.evaluate(output, target))).toBeCloseTo(1, 4);
    await tiled.dispose();
  });

  it('refuses what it cannot do, in one line', async () => {
    await using tiled = new nn.TiledLoss(new nn.L1Loss(), { tile: 16 });
    const mask = { dims: [1, 1, 24, 40], data: new Float32Array(960).fill(1) };
    await expect(tiled.evaluate(pred, target, { mask })).rejects.toThrow(/takes no mask/);
    await expect(tiled.map()).rejects.toThrow(/has no map/);
    await expect(tiled.evaluate(pred, random([2, 3, 40, 24]))).rejects.toThrow(/\[2,3,24,40\] and \[2,3,40,24\]/);
    expect(() => new nn.TiledLoss(new nn.L1Loss(), { tile: 16, overlap: 16 })).toThrow(/less than the tile of 16/);
    expect(() => new nn.TiledLoss(new nn.L1Loss(), {} as never)).toThrow(/'tile' is missing/);
  });
});
