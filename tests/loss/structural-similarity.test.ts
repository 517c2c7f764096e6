/** SSIM and MS-SSIM where careless gradients turn into NaN, and wherever a loss is used; their values are in criteria.test.ts. */
import { describe, expect, it } from 'vitest';
import { loadModel, nn, optim, Trainer } from '../../src/index.js';
import { Generator } from '../../src/random/index.js';

const generator = new Generator(5);
const image = (dims: number[], value: () => number = () => generator.uniform()) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, value),
});
const LOSSES: [string, () => nn.SSIMLoss, number[]][] = [
  ['SSIMLoss', () => new nn.SSIMLoss(), [1, 3, 11, 14]],
  ['MSSSIMLoss', () => new nn.MSSSIMLoss(), [1, 2, 161, 163]],
];

describe.each(LOSSES)('%s', (name, make, shape) => {
  const zeros = image(shape, () => 0);
  const some = image(shape);

  it.each([
    ['equal images', some, some, 0],
    ['black images', zeros, zeros, 0],
  ])('is 0 without a gradient for %s', async (_kind, pred, target, expected) => {
    await using loss = make();
    const { value, grad } = await loss.valueAndGrad(pred, target);
    expect(value).toBeCloseTo(expected, 6);
    expect(Math.hypot(...grad.data)).toBeLessThan(1e-6);
  });

  it('is finite for a black image and an inverted one', async () => {
    await using loss = make();
    for (const pred of [zeros, { dims: shape, data: some.data.map((x) => 1 - x) }]) {
      const { value, grad } = await loss.valueAndGrad(pred, some);
      expect(value).toBeGreaterThan(0.5);
      expect(grad.data.every(Number.isFinite)).toBe(true);
    }
  });

  it('is the same for images in [0, 1] and for bytes with their range', async () => {
    await using loss = make();
    await using ofBytes = new (loss.constructor as typeof nn.SSIMLoss)({ dataRange: 255 });
    const target = image(shape);
    const [pred, wanted] = [some, target].map(({ data }) => ({ dims: shape, data: data.map((x) => 255 * x) }));
    const value = await loss.evaluate(some, target);
    expect(await ofBytes.evaluate(pred as typeof some, wanted as typeof some)).toBeCloseTo(value, 5);
    expect(await ofBytes.evaluate(some, target)).not.toBeCloseTo(value, 2);
  });

  it('encodes targets, is a term, is compiled, and trains', async () => {
    await using loss = make();
    const target = image(shape);
    const value = await loss.evaluate(some, target);
    await using encoded = await loss.encode(target);
    expect(await loss.evaluate(some, encoded)).toBeCloseTo(value, 6);
    await using sum = new nn.WeightedLoss([
      [new nn.L1Loss(), 1],
      [loss, 0.5],
    ]);
    const { hooks } = await sum.valueAndHooks(some, target);
    expect(hooks[1]).toMatchObject({ class: name, weight: 0.5 });
    expect(hooks[1]?.loss).toBeCloseTo(value, 6);
    const compiled = await loadModel(await loss.compile(shape), { input: 'pred' });
    expect(compiled.graph.outputs.map(({ name: output }) => output)).toEqual(['loss', 'grad']);
    const channels = shape[1] as number;
    const student = new nn.Conv2d(channels, channels, 1);
    await using trainer = await Trainer.create(student, loss, new optim.Adam({ lr: 0.05 }), { batch: shape });
    const losses: number[] = [];
    for (let step = 0; step < 12; step += 1) losses.push((await trainer.step(some, some)).loss);
    expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  });

  it.each([
    [
      'smaller than its window',
      shape.with(2, (shape[2] as number) - 1),
      `at least ${shape[2]} × ${shape[2]}, got shape`,
    ],
    ['without channels', [11, 11], 'compares images [B, C, H, W], got shape [11,11]'],
  ])('refuses images %s', async (_kind, dims, message) => {
    await using loss = make();
    await expect(loss.evaluate(image(dims), image(dims))).rejects.toThrow(message);
  });
});
