/** The interface all losses share, and what it says to wrong input. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  type Loss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  transforms,
} from '../../src/index.js';

const path = (name: string): string => fileURLToPath(new URL(`../../fixtures/data/models/${name}`, import.meta.url));
const quiet = { printData: false };
let seed = 1;
const random = (dims: number[]) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  }),
});
const shape = [1, 3, 32, 32];
const vgg = () => loadModel(path('vgg.torchscript.onnx'));

const perceptual = async (lossFunc: string) =>
  new GlobalPercLoss(await vgg(), GlobalPercConfig.fromJSON({ ...quiet, lossFunc, modulesToHook: ['ReLU'] }));

const makers: [string, () => Promise<Loss>][] = [
  ['L1Loss', async () => new nn.L1Loss()],
  ['MSELoss', async () => new nn.MSELoss({ reduction: 'sum' })],
  ['SmoothL1Loss', async () => new nn.SmoothL1Loss({ beta: 0.5 })],
  ['CharbonnierLoss', async () => new nn.CharbonnierLoss()],
  ['SSIMLoss', async () => new nn.SSIMLoss()],
  ['GlobalPercLoss', async () => new GlobalPercLoss(await vgg(), new GlobalPercConfig(quiet))],
  ['GlobalPercLoss with gram', () => perceptual('gram')],
  ['GlobalPercLoss with unitLength', () => perceptual('unitLength')],
  ['GlobalPercLoss with charbonnier', () => perceptual('charbonnier')],
];

describe.each(makers)('%s', (_name, make) => {
  it('agrees with itself: value, gradient, encoded target', async () => {
    await using loss = await make();
    const [pred, target] = [random(shape), random(shape)];
    const { value, grad } = await loss.valueAndGrad(pred, target);
    expect(await loss.evaluate(pred, target)).toBeCloseTo(value, 4);
    expect(grad.dims).toEqual(shape);
    await using encoded = await loss.encode(target);
    const again = await loss.valueAndGrad(pred, encoded);
    expect(again.value).toBeCloseTo(value, 4);
    expect(await loss.evaluate(pred, encoded)).toBeCloseTo(value, 4);
    // Downhill along the gradient.
    const step = 1e-4 / Math.hypot(...grad.data);
    const moved = {
      dims: shape,
      data: pred.data.map((x, i) => x - step * 100 * (grad.data[i] as number)),
    };
    expect(await loss.evaluate(moved, target)).toBeLessThan(value);
  });

  it('names what is wrong with its input', async () => {
    await using loss = await make();
    const fine = random(shape);
    await expect(
      loss.evaluate({ dims: shape, data: fine.data.map((x, i) => (i === 7 ? Number.NaN : x)) }, fine),
    ).rejects.toThrow(/pred holds NaN at \[0,0,0,7\]/);
    await expect(loss.evaluate(undefined as never, fine)).rejects.toThrow(
      /pred should be a tensor \{ data, dims \}, got undefined/,
    );
    await expect(loss.evaluate({ dims: [1, 3, 32, 31], data: fine.data }, fine)).rejects.toThrow(
      /need 2976 values, data holds 3072/,
    );
    await expect(loss.evaluate(random([1, 3, 16, 16]), fine)).rejects.toThrow(GlobalPercError);
  });

  it('cannot be used after disposal', async () => {
    const loss = await make();
    await loss.dispose();
    await expect(loss.evaluate(random(shape), random(shape))).rejects.toThrow(/disposed/);
  });

  it('stops when aborted', async () => {
    await using loss = await make();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(loss.valueAndGrad(random(shape), random(shape), { signal })).rejects.toThrow('enough');
  });
});

describe('GlobalPercLoss', () => {
  it('prints hooks, count and weights', async () => {
    const lines: string[] = [];
    const model = await vgg();
    new GlobalPercLoss(model, new GlobalPercConfig({ modulesToHook: [nn.Linear], logger: (line) => lines.push(line) }));
    expect(lines).toEqual([
      '~ Hook in module: classifier.0 (Linear)',
      '~ Hook in module: classifier.3 (Linear)',
      '~ Total hooks: 2',
      '~ Weight of each hook: 1, 2',
    ]);
  });

  it('says which classes exist when nothing matches', async () => {
    const model = await vgg();
    expect(() => new GlobalPercLoss(model, new GlobalPercConfig({ ...quiet, modulesToHook: [nn.GELU] }))).toThrow(
      /no module matched GELU; the model has Conv2d \(4\)/,
    );
  });

  it('names what it was given instead of a model or a configuration', async () => {
    const make = (model: unknown, config?: unknown) => () =>
      new GlobalPercLoss(model as Awaited<ReturnType<typeof vgg>>, config as GlobalPercConfig);
    expect(make(vgg())).toThrow(/takes a model, await loadModel\(source\), got a promise: await it first$/);
    expect(make('vgg.onnx')).toThrow(/takes a model, .*, got string$/);
    expect(make(await vgg(), quiet)).toThrow(/takes a GlobalPercConfig, got an object of class Object$/);
  });

  it('hooks by pattern, predicate and name', async () => {
    const model = await vgg();
    const hooked = (...modulesToHook: GlobalPercConfig['modulesToHook']) =>
      new GlobalPercLoss(model, new GlobalPercConfig({ ...quiet, modulesToHook })).hooks.map((hook) => hook.path);
    expect(hooked(/^features\.[02]$/)).toEqual(['features.0', 'features.2']);
    expect(hooked('/^features\\.[02]$/')).toEqual(['features.0', 'features.2']);
    expect(hooked((name) => name.startsWith('classifier'))).toEqual(['classifier.0', 'classifier.1', 'classifier.3']);
    expect(hooked('MaxPool2d')).toEqual(['features.4', 'features.7']);
  });

  it('counts a module called twice as two hooks', async () => {
    for (const style of ['torchscript', 'dynamo']) {
      const model = await loadModel(path(`resnet.${style}.onnx`));
      const loss = new GlobalPercLoss(model, new GlobalPercConfig({ ...quiet, modulesToHook: [nn.ReLU] }));
      expect(loss.hooks.map((hook) => `${hook.path}:${hook.call}`).slice(0, 4)).toEqual([
        'relu:0',
        'layer1.0.relu:0',
        'layer1.0.relu:1',
        'layer1.0.relu:2',
      ]);
    }
  });

  it('does not hook a functional call', async () => {
    for (const style of ['torchscript', 'dynamo']) {
      const model = await loadModel(path(`unet.${style}.onnx`));
      const loss = new GlobalPercLoss(model, new GlobalPercConfig({ ...quiet, modulesToHook: ['SiLU'] }));
      expect(loss.hooks.map((hook) => hook.path)).toEqual(['down1.2', 'down2.2']);
    }
  });

  it('divides by the measured scale under dynamicNormalization', async () => {
    await using loss = new GlobalPercLoss(
      await vgg(),
      new GlobalPercConfig({ ...quiet, modulesToHook: ['Conv2d'], dynamicNormalization: true }),
    );
    const plain = [...loss.weights];
    const { value, hooks } = await loss.valueAndGrad(random(shape), random(shape));
    expect(hooks.every((hook, i) => hook.weight > (plain[i] as number))).toBe(true);
    expect(hooks.reduce((sum, hook) => sum + hook.weight * hook.loss, 0)).toBeCloseTo(value, 3);
  });

  it.each([
    ['RandomCrop', new transforms.RandomCrop(24)],
    ['RandomShift', new transforms.RandomShift(5)],
  ])('%s takes both images at the same random place, another at each run', async (name, transformNormalization) => {
    // Without a seed: two draws in one run would differ.
    await using loss = new GlobalPercLoss(
      await vgg(),
      new GlobalPercConfig({
        ...quiet,
        modulesToHook: ['Conv2d'],
        transformNormalization,
        lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'),
      }),
    );
    const image = random(shape);
    for (let i = 0; i < 5; i += 1) expect(await loss.evaluate(image, image)).toBe(0);
    const other = random(shape);
    const values = new Set<number>();
    for (let i = 0; i < 6; i += 1) values.add(await loss.evaluate(image, other));
    expect(values.size).toBeGreaterThan(1);
    await expect(loss.encode(image)).rejects.toThrow(name);
  });

  it('accepts images of different sizes when the transform makes them equal', async () => {
    await using loss = new GlobalPercLoss(
      await vgg(),
      new GlobalPercConfig({ ...quiet, transformNormalization: new transforms.CenterCrop(32) }),
    );
    expect(await loss.evaluate(random([1, 3, 40, 36]), random([1, 3, 33, 50]))).toBeGreaterThan(0);
  });

  it('warns once about values that are not images in [0, 1]', async () => {
    const lines: string[] = [];
    const transformNormalization = new transforms.Normalize({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
    await using loss = new GlobalPercLoss(
      await vgg(),
      new GlobalPercConfig({ ...quiet, transformNormalization, logger: (line) => lines.push(line) }),
    );
    const bytes = { dims: shape, data: random(shape).data.map((x) => x * 255) };
    await loss.evaluate(bytes, bytes);
    await loss.evaluate(bytes, bytes);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/set inputRange: \[0, 255\]/);
  });

  it('names the nearest sizes when patches do not fill the image', async () => {
    const model = await loadModel(path('vit.torchscript.onnx'));
    await using loss = new GlobalPercLoss(model, new GlobalPercConfig({ ...quiet, modulesToHook: [nn.Linear] }));
    const image = random([1, 3, 45, 56]);
    await expect(loss.evaluate(image, image)).rejects.toThrow(
      /multiples of 14, got \[1, 3, 45, 56\] .* nearest sizes are 42 or 56 × 56/,
    );
  });

  it('hands session options to ONNX Runtime, reports progress and leaves the event loop free', async () => {
    const config = new GlobalPercConfig(quiet);
    await using wrong = new GlobalPercLoss(await vgg(), config, { session: { executionProviders: ['abacus'] } });
    await expect(wrong.evaluate(random(shape), random(shape))).rejects.toThrow(/abacus/);
    const steps: string[] = [];
    await using loss = new GlobalPercLoss(await vgg(), config, { session: { intraOpNumThreads: 1 } });
    const big = [1, 3, 512, 512];
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 5);
    await loss.valueAndGrad(random(big), random(big), { onProgress: ({ step }) => steps.push(step) });
    clearInterval(timer);
    expect(steps).toEqual(['specialize', 'differentiate', 'fold', 'open']);
    expect(ticks).toBeGreaterThan(3);
  });

  it('refuses an unknown configuration key and a tensor-valued reduction', async () => {
    expect(() => GlobalPercConfig.fromJSON({ modulestohook: [] })).toThrow(
      /'modulestohook' is not known; did you mean 'modulesToHook'\?/,
    );
    await using loss = new GlobalPercLoss(
      await vgg(),
      new GlobalPercConfig({ ...quiet, lossFunc: new NormalizedTensorLoss('l1', 'none') }),
    );
    await expect(loss.evaluate(random(shape), random(shape))).rejects.toThrow(/use reduction 'mean' or 'sum'/);
  });
});
