/** Where a loss arises: maps of convolutional models and of tokens, and through transforms. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  L1Loss,
  MSELoss,
  NormalizedTensorLoss,
} from '../../src/loss/index.js';
import { WeightedLoss } from '../../src/loss/weighted.js';
import { loadModel } from '../../src/model/index.js';
import { Conv2d, GELU, LayerNorm, Linear } from '../../src/nn/index.js';
import { Generator } from '../../src/random/index.js';
import {
  CenterCrop,
  Compose,
  Grayscale,
  Lambda,
  Normalize,
  Pad,
  RandomCrop,
  RandomShift,
  Resize,
  type Transform,
} from '../../src/transforms/index.js';

const generator = new Generator(11);
const random = (...dims: number[]) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()),
});
const model = (name: string) =>
  loadModel(fileURLToPath(new URL(`../../fixtures/data/models/${name}.torchscript.onnx`, import.meta.url)));
const PLAIN = new NormalizedTensorLoss('l2', 'mean', 'none');

async function perceptual(name: string, options: GlobalPercOptions): Promise<GlobalPercLoss> {
  return new GlobalPercLoss(await model(name), new GlobalPercConfig({ lossFunc: PLAIN, printData: false, ...options }));
}

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

/** The image with other values in a rectangle of rows and columns. */
function changed({ dims, data }: ReturnType<typeof random>, [top, bottom]: number[], [left, right]: number[]) {
  const [, , height, width] = dims as [number, number, number, number];
  const inside = (i: number) => {
    const [row, column] = [Math.floor((i % (height * width)) / width), i % width];
    return (
      row >= (top as number) && row < (bottom as number) && column >= (left as number) && column < (right as number)
    );
  };
  return { dims, data: data.map((value, i) => (inside(i) ? 1 - value : value)) };
}

/** Rows and columns, first and last, at which a map is not 0. */
function extent(data: Float32Array, width: number): [number, number, number, number] {
  const places = Array.from(data, (value, i) => [value, i] as const).filter(([value]) => value > 1e-9);
  const rows = places.map(([, i]) => Math.floor(i / width));
  const columns = places.map(([, i]) => i % width);
  return [Math.min(...rows), Math.max(...rows), Math.min(...columns), Math.max(...columns)];
}

describe('a map', () => {
  it.each([
    ['mean', new NormalizedTensorLoss('l1', 'mean', 'none')],
    ['sum', new NormalizedTensorLoss('l2', 'sum', 'cosine')],
  ] as const)('has the loss of each sample as its mean over space: reduction %s', async (_label, lossFunc) => {
    await using loss = await perceptual('vgg', { modulesToHook: [Conv2d], lossFunc });
    const [pred, target] = [random(3, 3, 32, 32), random(3, 3, 32, 32)];
    const { samples } = await loss.valueAndGrad(pred, target);
    const { map, value, hooks } = await loss.map(pred, target, { hooks: true });
    expect(map.dims).toEqual([3, 1, 32, 32]);
    for (const [i, sample] of (samples as Float32Array).entries()) {
      expect(mean(map.data.slice(i * 1024, (i + 1) * 1024)) / sample).toBeCloseTo(1, 5);
      const byHook = hooks.reduce((sum, hook) => sum + hook.weight * (hook.map?.data[i * 1024 + 77] as number), 0);
      expect(byHook / (map.data[i * 1024 + 77] as number)).toBeCloseTo(1, 4);
    }
    expect(await loss.evaluate(pred, target)).toBeCloseTo(value, 4);
  });

  it('of pixels is the distance at each, in the sum of a weighted loss too', async () => {
    await using l1 = new L1Loss();
    await using both = new WeightedLoss([
      [l1, 2],
      [new MSELoss(), 1],
    ]);
    const [pred, target] = [random(1, 3, 5, 6), random(1, 3, 5, 6)];
    const differences = pred.data.map((value, i) => value - (target.data[i] as number));
    const at = (i: number, power: number) =>
      mean([0, 1, 2].map((channel) => Math.abs(differences[30 * channel + i] as number) ** power));
    const [{ map }, { map: sum, hooks }] = [await l1.map(pred, target), await both.map(pred, target)];
    for (let i = 0; i < 30; i += 1) {
      expect(map.data[i]).toBeCloseTo(at(i, 1), 6);
      expect(sum.data[i]).toBeCloseTo(2 * at(i, 1) + at(i, 2), 5);
    }
    expect(hooks.map(({ class: name, grid }) => [name, grid])).toEqual([
      ['L1Loss', [5, 6]],
      ['MSELoss', [5, 6]],
    ]);
  });

  it('lays tokens out as their grid; those of class and registers are left out, and counted', async () => {
    await using loss = await perceptual('vit', { modulesToHook: ['/blocks\\.0\\.norm1$/'] });
    const target = random(1, 3, 42, 56);
    // The patch in row 1, column 2; bilinear resizing reaches half a patch further.
    const { map, hooks } = await loss.map(changed(target, [14, 28], [28, 42]), target);
    expect(hooks.map(({ grid, withoutPlace }) => [grid, withoutPlace])).toEqual([[[3, 4], 3]]);
    expect(extent(map.data, 56)).toEqual([7, 34, 21, 48]);
    const { hooks: all } = await (await perceptual('vit', { modulesToHook: [Linear, GELU, LayerNorm] })).map(
      target,
      random(1, 3, 42, 56),
    );
    expect(all.every(({ grid }) => grid?.join() === '3,4')).toBe(true);
  });

  it('names hooks without places, and is refused where no other is', async () => {
    await using loss = await perceptual('vgg', { modulesToHook: [Conv2d, Linear] });
    const images = [random(1, 3, 32, 32), random(1, 3, 32, 32)] as const;
    const { hooks } = await loss.map(...images, { hooks: true });
    expect(hooks.filter(({ grid }) => grid === undefined).map((hook) => [hook.class, hook.map])).toEqual(
      hooks.filter((hook) => hook.class === 'Linear').map(() => ['Linear', undefined]),
    );
    await using classifier = await perceptual('vgg', { modulesToHook: [Linear] });
    await expect(classifier.map(...images)).rejects.toThrow(
      /there is no map: nothing .* hook modules in front of the pooling/,
    );
    // A cosine over dim 1 of tokens is over the places.
    await using tokens = await perceptual('vit', {
      modulesToHook: [LayerNorm],
      lossFunc: new NormalizedTensorLoss('l2'),
    });
    await expect(tokens.map(random(1, 3, 42, 56), random(1, 3, 42, 56))).rejects.toThrow(/there is no map/);
  });

  it('takes encoded targets', async () => {
    await using loss = await perceptual('vgg', { modulesToHook: [Conv2d] });
    const [pred, target] = [random(1, 3, 32, 32), random(1, 3, 32, 32)];
    await using encoded = await loss.encode(target);
    const [plain, again] = [await loss.map(pred, target), await loss.map(pred, encoded)];
    expect(mean(again.map.data.map((value, i) => Math.abs(value - (plain.map.data[i] as number))))).toBeLessThan(1e-6);
  });
});

const NORMALIZE = new Normalize({ mean: [0.5], std: [0.25] });

describe('a map comes back through', () => {
  const place = [
    [24, 36],
    [40, 52],
  ] as const;

  /** A square of the image is changed; the middle of the map's square, and its reach. */
  async function mapped(transform: Transform, size: readonly [number, number] = [64, 80]) {
    await using loss = await perceptual('vgg', {
      modulesToHook: ['/features\\.0$/'],
      transformNormalization: transform,
    });
    const target = random(2, 3, ...size);
    const { map } = await loss.map(changed(target, [...place[0]], [...place[1]]), target);
    expect(map.dims).toEqual([2, 1, ...size]);
    return map;
  }

  it.each<[string, Transform]>([
    ['Normalize', NORMALIZE],
    ['CenterCrop', new CenterCrop([48, 48])],
    ['Pad', new Pad([3, 5], { fill: 1 })],
    ['RandomCrop', new RandomCrop([62, 76])],
    ['RandomShift', new RandomShift(4)],
    ['Lambda with its geometry', new Lambda((image) => image.flip([3]), { geometry: (plane) => plane.flip([3]) })],
    [
      'several',
      new Compose([new Grayscale({ numOutputChannels: 3 }), new CenterCrop(60), NORMALIZE, new RandomShift(2)]),
    ],
  ])('%s, at the pixel', async (_label, transform) => {
    const map = await mapped(transform);
    // A convolution of 3 × 3 sees one pixel further.
    expect(extent(map.data.slice(0, 64 * 80), 80)).toEqual([23, 36, 39, 52]);
  });

  it.each<[string, Transform]>([
    ['half the size', new Resize([32, 40])],
    ['twice the size', new Resize([128, 160], { interpolation: 'bicubic' })],
    ['an odd size', new Compose([new Resize(48), new CenterCrop([48, 56])])],
  ])('Resize to %s, near the pixel', async (_label, transform) => {
    const map = await mapped(transform);
    const data = map.data.slice(0, 64 * 80);
    const [total, row, column] = data.reduce<[number, number, number]>(
      ([sum, rows, columns], value, i) => [sum + value, rows + value * Math.floor(i / 80), columns + value * (i % 80)],
      [0, 0, 0],
    );
    expect(Math.abs(row / total - 29.5)).toBeLessThan(1);
    expect(Math.abs(column / total - 45.5)).toBeLessThan(1);
  });

  it('a crop, outside of which it is 0', async () => {
    await using loss = await perceptual('vgg', {
      modulesToHook: [Conv2d],
      transformNormalization: new CenterCrop([32, 48]),
    });
    const { map } = await loss.map(random(1, 3, 64, 80), random(1, 3, 64, 80));
    expect(extent(map.data, 80)).toEqual([16, 47, 16, 63]);
  });

  it('no transform that does not tell where it moves pixels', async () => {
    const blind = { apply: (image: Parameters<Transform['apply']>[0]) => image.flip([3]) };
    await expect(mapped(blind)).rejects.toThrow(/where Object moves pixels: give it geometry\(plane, draws\)/);
    await expect(mapped(new Compose([NORMALIZE, new Lambda((image) => image)]))).rejects.toThrow(
      /where Lambda moves pixels/,
    );
  });
});

describe('a mask goes through the transform', () => {
  it.each<[string, Transform]>([
    ['CenterCrop', new CenterCrop([48, 48])],
    ['Resize', new Resize([32, 40])],
    ['RandomShift', new RandomShift(4)],
  ])('%s', async (_label, transform) => {
    await using loss = await perceptual('vgg', {
      modulesToHook: ['/features\\.0$/'],
      transformNormalization: transform,
    });
    const target = random(1, 3, 64, 80);
    const pred = changed(target, [24, 36], [40, 52]);
    const mask = { dims: [1, 1, 64, 80], data: new Float32Array(64 * 80) };
    const elsewhere = { ...mask, data: mask.data.map((_, i) => (Math.floor(i / 80) > 44 ? 1 : 0)) };
    expect(await loss.evaluate(pred, target, { mask: elsewhere })).toBe(0);
    const here = {
      ...mask,
      data: mask.data.map((_, i) => (Math.floor(i / 80) > 26 && Math.floor(i / 80) < 33 ? 1 : 0)),
    };
    expect(await loss.evaluate(pred, target, { mask: here })).toBeGreaterThan(await loss.evaluate(pred, target));
  });

  it('and says so when it is cut away', async () => {
    await using loss = await perceptual('vgg', {
      modulesToHook: [Conv2d],
      transformNormalization: new CenterCrop([32, 32]),
    });
    const mask = { dims: [1, 1, 64, 64], data: new Float32Array(64 * 64) };
    mask.data[0] = 1;
    await expect(loss.evaluate(random(1, 3, 64, 64), random(1, 3, 64, 64), { mask })).rejects.toThrow(
      'mask is empty where the loss looks: the transform cuts away all that it marks',
    );
  });
});
