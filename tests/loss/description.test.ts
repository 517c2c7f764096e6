/** What losses accept and refuse whatever they compute: encoded targets, disposal, numbers that are not finite, hooks of their own. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import {
  CosineLoss,
  type Distance,
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  type HookSite,
  type Loss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  type Tensor,
  transforms,
} from '../../src/index.js';
import { calibrationPairs } from '../../src/loss/calibration.js';
import { Generator } from '../../src/random/index.js';
import { input, modelBytes } from '../onnx/build.js';

const path = (name: string): string => fileURLToPath(new URL(`../../fixtures/data/models/${name}`, import.meta.url));
const generator = new Generator(11);
const random = (dims: number[], scale = 1) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => generator.uniform() * scale),
});
const SHAPE = [1, 3, 32, 32];
const vgg = loadModel(path('vgg.torchscript.onnx'));
const perceptual = async (options: GlobalPercOptions = {}) =>
  new GlobalPercLoss(await vgg, new GlobalPercConfig({ modulesToHook: ['Conv2d'], printData: false, ...options }));

describe('encoded targets', () => {
  it('belong to the loss that made them', async () => {
    const [first, second] = [await perceptual(), await perceptual()];
    const encoded = await first.encode(random(SHAPE));
    await expect(second.evaluate(random(SHAPE), encoded)).rejects.toThrow(/encoded by another loss/);
    await encoded.dispose();
    await expect(first.evaluate(random(SHAPE), encoded)).rejects.toThrow(/was disposed; encode it again/);
    await Promise.all([first.dispose(), second.dispose()]);
  });

  it.each([
    ['another size', [1, 3, 40, 32]],
    ['another batch', [2, 3, 32, 32]],
  ])('of %s are refused with both shapes', async (_what, other) => {
    for (const loss of [await perceptual(), new nn.L1Loss()] as Loss[]) {
      const encoded = await loss.encode(random(other));
      await expect(loss.valueAndGrad(random(SHAPE), encoded)).rejects.toThrow(
        new RegExp(`^pred has shape \\[1,3,32,32\\], target \\[${other}\\]: they must be the same`),
      );
      await loss.dispose();
    }
  });

  it('may be of another size where the transform makes them equal', async () => {
    await using loss = await perceptual({ transformNormalization: new transforms.CenterCrop(24) });
    const target = random([1, 3, 40, 32]);
    const pred = random(SHAPE);
    await using encoded = await loss.encode(target);
    expect(await loss.evaluate(pred, encoded)).toBeCloseTo(await loss.evaluate(pred, target), 5);
  });
});

it('targets of several sizes take turns in one loss, as images and encoded', async () => {
  await using loss = await perceptual({ transformNormalization: new transforms.CenterCrop(24) });
  const [pred, small, large] = [random(SHAPE), random([1, 3, 28, 36]), random([1, 3, 40, 32])];
  const once = async (target: typeof pred): Promise<number> => {
    await using alone = await perceptual({ transformNormalization: new transforms.CenterCrop(24) });
    return await alone.evaluate(pred, target);
  };
  const expected = [await once(small), await once(large)];
  expect([await loss.evaluate(pred, small), await loss.evaluate(pred, large)]).toEqual(expected);
  await using encoded = await loss.encode(small);
  await using other = await loss.encode(large);
  const again = [await loss.evaluate(pred, encoded), await loss.evaluate(pred, other)];
  for (const [i, value] of again.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
});

describe('after disposal', () => {
  const calls: [string, (loss: GlobalPercLoss) => Promise<unknown>][] = [
    ['evaluate', (loss) => loss.evaluate(random(SHAPE), random(SHAPE))],
    ['valueAndGrad', (loss) => loss.valueAndGrad(random(SHAPE), random(SHAPE))],
    ['valueAndHooks', (loss) => loss.valueAndHooks(random(SHAPE), random(SHAPE))],
    ['encode', (loss) => loss.encode(random(SHAPE))],
    ['compile', (loss) => loss.compile(SHAPE)],
    ['compileToFile', (loss) => loss.compileToFile('/nowhere/loss.onnx', SHAPE)],
    ['hooksFor', (loss) => loss.hooksFor(SHAPE)],
    ['synchronous', (loss) => loss.synchronous()],
  ];
  it.each(calls)('%s says so', async (_name, call) => {
    const loss = await perceptual();
    await loss.dispose();
    await loss.dispose();
    await expect(call(loss)).rejects.toMatchObject({
      code: 'disposed',
      message: 'this loss was disposed; make a new one',
    });
  });

  it('a synchronous loss says so too', async () => {
    const loss = new nn.L1Loss();
    const { valueAndGrad } = await loss.synchronous();
    const [pred, target] = [random(SHAPE), random(SHAPE)];
    expect(valueAndGrad(pred, target).value).toBeCloseTo((await loss.valueAndGrad(pred, target)).value, 6);
    await loss.dispose();
    expect(() => valueAndGrad(pred, target)).toThrow('this loss was disposed');
  });
});

describe('a distance per hook', () => {
  it('is chosen by what the hook is', async () => {
    const seen: HookSite[] = [];
    await using mixed = await perceptual({
      lossFunc: (hook) => {
        seen.push(hook);
        return hook.index === 0 ? new NormalizedTensorLoss('l2', 'mean', 'none') : new CosineLoss();
      },
    });
    const [pred, target] = [random(SHAPE), random(SHAPE)];
    const { hooks } = await mixed.valueAndHooks(pred, target);
    expect(seen).toEqual(
      hooks.map(({ index, path: at, class: name, shape }) => ({ index, path: at, class: name, shape })),
    );
    await using plain = await perceptual({ lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none') });
    await using cosine = await perceptual({ lossFunc: new CosineLoss() });
    const [first, others] = [await plain.valueAndHooks(pred, target), await cosine.valueAndHooks(pred, target)];
    expect(hooks[0]?.loss).toBeCloseTo(first.hooks[0]?.loss as number, 6);
    expect(hooks[1]?.loss).toBeCloseTo(others.hooks[1]?.loss as number, 6);
  });

  it('may be written by the user: style by Gram matrices, with constants', async () => {
    const gram = (x: Tensor): Tensor => {
      const features = x.reshape([x.dim(0), x.dim(1), -1]);
      return features.matmul(features.swapAxes(1, 2)).div(features.dim(1) * features.dim(2));
    };
    const style: Distance = { forward: (input, target) => gram(input).sub(gram(target)).square().sum() };
    const doubled: Distance = {
      forward: (input, target) => style.forward(input, target).mul(input.constant([2], [1]).reshape([])),
    };
    await using loss = await perceptual({ lossFunc: ({ index }) => (index === 0 ? style : doubled) });
    const [pred, target] = [random(SHAPE), random(SHAPE)];
    const { value, hooks, grad } = await loss.valueAndGrad(pred, target);
    await using plain = await perceptual({ lossFunc: style });
    const single = await plain.valueAndHooks(pred, target);
    hooks.forEach((hook, i) => {
      expect(hook.loss).toBeCloseTo((i === 0 ? 1 : 2) * (single.hooks[i]?.loss as number), 6);
    });
    const step = 1e-2 / Math.hypot(...grad.data);
    const moved = { dims: SHAPE, data: pred.data.map((x, i) => x - step * (grad.data[i] ?? 0)) };
    const slope = (value - (await loss.evaluate(moved, target))) / 1e-2;
    expect(slope / Math.hypot(...grad.data)).toBeCloseTo(1, 1);
  });

  it('may be an nn loss for all, and names the hook where it is none', async () => {
    await using plain = await perceptual({ lossFunc: new nn.MSELoss() });
    expect(await plain.evaluate(random(SHAPE), random(SHAPE))).toBeGreaterThan(0);
    await expect(perceptual({ lossFunc: nn.L1Loss as unknown as Distance })).rejects.toThrow(
      /lossFunc should be a distance, new L1Loss\(\), not its class/,
    );
    await using none = await perceptual({ lossFunc: () => undefined as unknown as Distance });
    await expect(none.evaluate(random(SHAPE), random(SHAPE))).rejects.toThrow(
      /hook 0 \(features.0, Conv2d\): lossFunc gives no distance/,
    );
    const compared = ((input: Tensor, target: Tensor) => input.sub(target)) as unknown as () => Distance;
    await using twice = await perceptual({ lossFunc: compared });
    await expect(twice.evaluate(random(SHAPE), random(SHAPE))).rejects.toMatchObject({
      message: expect.stringMatching(/hook 0 .*: a function is called with the hook and gives an object with forward/),
      cause: { code: 'invalid-option', cause: expect.any(TypeError) },
    });
    await using empty = await perceptual({ lossFunc: { forward: () => 1 as unknown as Tensor } });
    await expect(empty.evaluate(random(SHAPE), random(SHAPE))).rejects.toThrow(/hook 0 .* lossFunc gives no tensor/);
  });
});

describe('losses that are not finite', () => {
  /** One value per channel: image → mean over space. */
  const pooled = () =>
    loadModel(
      modelBytes({
        inputs: [input('image', ['batch', 3, 'height', 'width'])],
        nodes: [
          ['Relu', ['image'], ['r']],
          ['GlobalAveragePool', ['r'], ['y']],
        ],
        outputs: ['y'],
      }),
    );

  it('by their form are refused when they are compiled, with hook and remedy', async () => {
    await using loss = new GlobalPercLoss(
      await pooled(),
      new GlobalPercConfig({ lossFunc: new NormalizedTensorLoss('l1', 'mean', 'instancenorm'), printData: false }),
    );
    await expect(loss.compile([1, 3, 4, 4])).rejects.toThrow(
      /^hook 1 \(.*AdaptiveAvgPool2d\): instancenorm divides by the spread .* one value has none, got shape \[1,3,1\].* lossFunc: \(hook\)/,
    );
  });

  it('by their values are an error that names the first hook', async () => {
    const infinite: Distance = { forward: (a, b) => a.sub(b).abs().mean().log().neg().exp() };
    await using loss = await perceptual({ lossFunc: infinite });
    const image = random(SHAPE);
    await expect(loss.evaluate(image, image)).rejects.toMatchObject({
      code: 'not-finite',
      message: expect.stringMatching(
        /^the loss is Infinity, first at hook 0 \(features.0, Conv2d\), though both images are finite/,
      ),
    });
  });

  it('an infinite gradient of a finite loss is an error too', async () => {
    const steep: Distance = { forward: (a, b) => a.sub(b).square().mean().sqrt() };
    await using loss = await perceptual({ lossFunc: steep });
    const image = random(SHAPE);
    expect(await loss.evaluate(image, image)).toBe(0);
    await expect(loss.valueAndGrad(image, image)).rejects.toThrow(
      /^the gradient holds NaN at element 0 of \[1,3,32,32\]/,
    );
  });
});

describe('dynamicNormalization', () => {
  it('divides by the mean over ten pairs of standard-normal noise', async () => {
    await using plain = await perceptual();
    await using loss = await perceptual({ dynamicNormalization: true });
    const pairs = calibrationPairs(SHAPE);
    expect(pairs).toHaveLength(10);
    const values = pairs.flat().flatMap(({ data }) => Array.from(data as Float32Array));
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length).toBeCloseTo(1, 1);
    const sums = plain.weights.map(() => 0);
    for (const [a, b] of pairs) {
      for (const { index, loss: value } of (await plain.valueAndHooks(a, b)).hooks)
        sums[index] = (sums[index] ?? 0) + value;
    }
    await loss.evaluate(random(SHAPE), random(SHAPE));
    loss.weights.forEach((weight, i) => {
      expect(weight).toBeCloseTo((plain.weights[i] as number) / ((sums[i] as number) / 10 + 1e-5), 4);
    });
  });

  it('is measured once, and not on the first image', async () => {
    await using loss = await perceptual({ dynamicNormalization: true });
    const pairs = vi.spyOn(loss.description, 'calibrationPairs');
    await loss.evaluate(random(SHAPE), random(SHAPE));
    const first = loss.weights;
    await loss.valueAndGrad(random([1, 3, 40, 40]), random([1, 3, 40, 40]));
    expect(loss.weights).toBe(first);
    expect(pairs).toHaveBeenCalledTimes(1);
  });
});

it('dynamicNormalization is measured on the first image, also where that is a target to encode', async () => {
  await using loss = await perceptual({ dynamicNormalization: true });
  const before = loss.weights;
  await using encoded = await loss.encode(random(SHAPE));
  const measured = loss.weights;
  expect(measured).not.toEqual(before);
  await loss.evaluate(random(SHAPE), encoded);
  expect(loss.weights).toBe(measured);
});
