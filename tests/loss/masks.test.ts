/** Losses of single samples, and under masks, against PyTorch as stored by `fixtures/make_masks.py`; then what masks refuse. */
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { numbersOf, type Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss, type Loss, SSIMLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { Generator } from '../../src/random/index.js';
import { hostOf, readFixture } from '../support/safetensors.js';

interface Case {
  readonly name: string;
  readonly model: string;
  readonly config: object;
  readonly pred: string;
  readonly target: string;
  readonly mask?: string;
  readonly grad: string;
  readonly gradNoise: number;
  readonly loss: number;
  readonly hooks: readonly number[];
  readonly samples: readonly number[];
}

const fixture = readFixture<Case>('masks/masks.safetensors');
const modelOf = (name: string) =>
  loadModel(fileURLToPath(new URL(`../../fixtures/data/models/${name}.torchscript.onnx`, import.meta.url)));
const configOf = (config: object) => GlobalPercConfig.fromJSON(config, { printData: false });
const norm = (values: readonly number[]): number => Math.hypot(...values);

describe('against PyTorch', () => {
  it.each(fixture.cases)('$name', async ({ model, config, pred, target, mask, ...expected }) => {
    await using loss = new GlobalPercLoss(await modelOf(model), configOf(config));
    const images = [hostOf(fixture.tensor(pred)), hostOf(fixture.tensor(target))] as const;
    const options = mask === undefined ? {} : { mask: hostOf(fixture.tensor(mask)) };
    const { value, grad, hooks, samples } = await loss.valueAndGrad(...images, options);
    expect(Math.abs(value - expected.loss)).toBeLessThan(1e-5 * expected.loss);
    expect(hooks).toHaveLength(expected.hooks.length);
    for (const [i, hook] of expected.hooks.entries()) {
      expect(Math.abs((hooks[i]?.loss as number) - hook), hooks[i]?.path).toBeLessThan(1e-4 * hook + 1e-7);
    }
    expect(samples).toHaveLength(expected.samples.length);
    for (const [i, sample] of expected.samples.entries()) {
      expect(Math.abs((samples?.[i] as number) - sample)).toBeLessThan(1e-5 * sample);
      const byHook = hooks.reduce((sum, hook) => sum + hook.weight * (hook.samples?.[i] as number), 0);
      expect(Math.abs(byHook - sample)).toBeLessThan(1e-5 * sample);
    }
    const theirs = numbersOf(fixture.tensor(expected.grad));
    const difference = Array.from(grad.data, (entry, i) => entry - (theirs[i] as number));
    expect(norm(difference)).toBeLessThan(1e-4 * norm(theirs) + 4 * expected.gradNoise);
  });
});

const generator = new Generator(7);
const random = (...dims: number[]) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()),
});
const filled = (value: number, ...dims: number[]) => ({
  dims,
  data: new Float32Array(random(...dims).data.length).fill(value),
});
const PLAIN = { modulesToHook: ['Conv2d'], lossFunc: { type: 'l2', norm: 'none' } };
const [pred, target] = [random(2, 3, 32, 32), random(2, 3, 32, 32)];

describe('a mask', () => {
  const losses: Loss[] = [];
  const made = async (config: object = PLAIN, model = 'vgg') => {
    const loss = new GlobalPercLoss(await modelOf(model), configOf(config));
    losses.push(loss);
    return loss;
  };
  afterAll(() => Promise.all(losses.map((loss) => loss.dispose())));

  it('of ones changes nothing', async () => {
    for (const loss of [
      await made({}),
      await made({ modulesToHook: ['Conv2d'], lossFunc: { type: 'l1', norm: 'cosine' } }),
    ]) {
      const whole = await loss.valueAndGrad(pred, target);
      const masked = await loss.valueAndGrad(pred, target, { mask: filled(1, 1, 1, 32, 32) });
      expect(masked.value).toBeCloseTo(whole.value, 5);
      expect(norm(Array.from(masked.grad.data, (entry, i) => entry - (whole.grad.data[i] as number)))).toBeLessThan(
        1e-5 * norm(Array.from(whole.grad.data)),
      );
    }
  });

  it('lets no gradient out of the receptive fields of what it marks', async () => {
    const loss = await made({ modulesToHook: ['/features\\.0$/'], lossFunc: { type: 'l2', norm: 'none' } });
    const mask = filled(0, 2, 1, 32, 32);
    mask.data[32 * 10 + 20] = 0.25;
    const { grad, samples } = await loss.valueAndGrad(pred, target, { mask });
    const reached = Array.from(grad.data, (entry, i) => [entry, i] as const).filter(([entry]) => entry !== 0);
    expect(reached).toHaveLength(27);
    for (const [, i] of reached) {
      const [row, column] = [Math.floor((i % 1024) / 32), i % 32];
      expect(Math.max(Math.abs(row - 10), Math.abs(column - 20))).toBeLessThanOrEqual(1);
    }
    expect(samples?.[0]).toBeGreaterThan(0);
    expect(samples?.[1]).toBe(0);
  });

  it('has the gradient that differences show', async () => {
    const loss = await made();
    const mask = random(2, 1, 32, 32);
    const { grad } = await loss.valueAndGrad(pred, target, { mask });
    const length = norm(Array.from(grad.data));
    const direction = grad.data.map((entry) => entry / length);
    const at = (step: number) =>
      loss.evaluate({ dims: pred.dims, data: pred.data.map((x, i) => x + step * (direction[i] as number)) }, target, {
        mask,
      });
    const slope = ((await at(1e-2)) - (await at(-1e-2))) / 2e-2;
    expect(Math.abs(slope - length)).toBeLessThan(1e-3 * length);
  });

  it('weighs encoded targets, pixel losses and synchronous calls as well', async () => {
    const loss = await made();
    const mask = random(1, 1, 32, 32);
    const expected = await loss.evaluate(pred, target, { mask });
    await using encoded = await loss.encode(target);
    expect(await loss.evaluate(pred, encoded, { mask })).toBeCloseTo(expected, 6);
    expect((await loss.synchronous()).valueAndGrad(pred, target, { mask }).value).toBeCloseTo(expected, 6);
    await using l1 = new L1Loss();
    const weights = Array.from(pred.data, (_, i) => mask.data[i % 1024] as number);
    const sum = weights.reduce(
      (total, weight, i) => total + weight * Math.abs((pred.data[i] as number) - (target.data[i] as number)),
      0,
    );
    expect(await l1.evaluate(pred, target, { mask })).toBeCloseTo(sum / weights.reduce((a, b) => a + b), 5);
  });

  it.each([
    [
      'another size',
      filled(1, 1, 1, 16, 32),
      /mask should have the shape \[2,1,32,32\] or \[1,1,32,32\], for a prediction \[2,3,32,32\], got \[1,1,16,32\]/,
    ],
    ['channels', filled(1, 2, 3, 32, 32), /mask should have the shape .*, got \[2,3,32,32\]/],
    ['no batch dimension', filled(1, 32, 32), /mask should have the shape/],
    ['bytes', filled(255, 1, 1, 32, 32), /mask holds 255: .* divide one of bytes by 255/],
    ['negative weights', filled(-0.5, 1, 1, 32, 32), /mask holds -0\.5/],
    ['NaN', filled(Number.NaN, 1, 1, 32, 32), /mask holds NaN at \[0,0,0,0\]/],
    ['nothing', filled(0, 1, 1, 32, 32), /mask is empty/],
  ])('of %s is refused', async (_label, mask, message) => {
    const loss = await made();
    await expect(loss.valueAndGrad(pred, target, { mask })).rejects.toThrow(message);
  });

  it('is refused where it cannot weigh', async () => {
    const mask = filled(0.5, 1, 1, 32, 32);
    const style = await made({ modulesToHook: ['Conv2d'], lossFunc: 'gram' });
    await expect(style.evaluate(pred, target, { mask })).rejects.toThrow(
      /hook 0 \(.*\): GramLoss compares no single places .* mask/,
    );
    const classifier = await made({ modulesToHook: ['Linear'] });
    await expect(classifier.evaluate(pred, target, { mask })).rejects.toThrow(
      /a mask has no effect: nothing that this loss/,
    );
    await using ssim = new SSIMLoss();
    await expect(ssim.evaluate(pred, target, { mask })).rejects.toThrow(/SSIMLoss compares no single places/);
    await expect(style.encode(target, { mask })).rejects.toThrow(/encode takes no mask/);
  });
});

it('a forward of a subclass is what counts, also where its parent has elements', async () => {
  class Doubled extends L1Loss {
    override forward(...images: Parameters<L1Loss['forward']>) {
      return super.forward(...images).mul(2);
    }
  }
  await using plain = new L1Loss();
  await using doubled = new Doubled();
  const { value, samples } = await doubled.valueAndHooks(pred, target);
  expect(value).toBeCloseTo(2 * (await plain.evaluate(pred, target)), 6);
  expect(samples).toBeUndefined();
});

it('elements that are no tensor are refused, with the hook', async () => {
  const lossFunc = { forward: (a: Tensor) => a.mean(), elements: () => 3 as unknown as Tensor };
  await using loss = new GlobalPercLoss(await modelOf('vgg'), new GlobalPercConfig({ lossFunc, printData: false }));
  await expect(loss.evaluate(pred, target)).rejects.toThrow(
    /^hook 0 \(.*\): elements of Object gives no tensor, got number$/,
  );
});
