/** LPIPS and DISTS against their authors' packages, as stored by `fixtures/make_lpips.py`. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/graph/index.js';
import { modelBytes } from '../../src/loss/compiled-file.js';
import { DISTS, GlobalPercConfig, GlobalPercLoss, L1Loss, type Loss, LPIPS } from '../../src/loss/index.js';
import { WeightedLoss } from '../../src/loss/weighted.js';
import { loadModel, type TensorLike } from '../../src/model/index.js';
import { Conv2d } from '../../src/nn/index.js';
import { Adam } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { type LpipsCase as Case, lpipsFixture as fixture, SQUEEZENET } from '../support/lpips.js';
import { hostOf } from '../support/safetensors.js';

const folder = mkdtempSync(join(tmpdir(), 'globalperc-lpips-'));
const vgg = join(folder, 'vgg16.onnx');
let losses: Readonly<Record<Case['net'], Loss>>;

/** As `hashed` in make_lpips.py. */
function hashed(dims: readonly number[]): TensorLike {
  const scale = dims.length > 1 ? Math.sqrt(6 / sizeOf(dims.slice(1))) : 0.1;
  const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => {
    let x = Math.imul(i + 1, 0x9e3779b1);
    x = Math.imul(x ^ (x >>> 15), 0x85ebca77);
    x ^= x >>> 13;
    return ((x >>> 0) / 2 ** 31 - 1) * scale;
  });
  return { dims: [...dims], data };
}

/** A file as an export of torchvision's VGG16 is one. */
async function writeVgg(): Promise<void> {
  const asset = new URL('../../assets/lpips-vgg.onnx', import.meta.url);
  const { openInputs } = await loadModel(asset, { input: 'image' });
  const weights = openInputs.map(({ name, declaredShape }) => [name, hashed(declaredShape as number[])]);
  const { graph } = await loadModel(asset, { input: 'image', inputs: Object.fromEntries(weights) });
  writeFileSync(vgg, modelBytes(graph));
}

beforeAll(async () => {
  await writeVgg();
  losses = {
    alex: new LPIPS(),
    vgg: await LPIPS.load({ net: 'vgg', weights: vgg }),
    squeeze: await LPIPS.load({ net: 'squeeze', weights: SQUEEZENET }),
    dists: await DISTS.load({ weights: vgg }),
  };
}, 120_000);
afterAll(async () => {
  await Promise.all(Object.values(losses).map((loss) => loss.dispose()));
  rmSync(folder, { recursive: true });
});

describe('the map is that of the package with spatial=True', () => {
  const mapped = fixture.cases.flatMap((test) => (test.map ? [{ label: test.name, test, key: test.map }] : []));

  it.each(mapped)('$label', async ({ test, key }) => {
    const [pred, target] = [hostOf(fixture.tensor(test.pred)), hostOf(fixture.tensor(test.target))];
    const { map, hooks } = await losses[test.net].map(pred, target);
    const expected = hostOf(fixture.tensor(key));
    expect(map.dims).toEqual(expected.dims);
    expect(hooks.every(({ grid }) => grid !== undefined)).toBe(true);
    const difference = Math.hypot(...expected.data.map((element, i) => element - (map.data[i] as number)));
    expect(difference).toBeLessThanOrEqual((1e-5 + 2 * test.noise) * Math.hypot(...expected.data));
  });

  it('DISTS has none: it compares statistics', async () => {
    const image = hostOf(fixture.tensor(fixture.cases[0]?.pred as string));
    await expect(losses.dists.map(image, image)).rejects.toThrow(
      /there is no map: nothing that this loss compares has a place/,
    );
  });
});

/** What is 0 in float64 is rounding in float32. */
const ROUNDING = 1e-7;

describe('equals the package', () => {
  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const [pred, target] = [hostOf(fixture.tensor(test.pred)), hostOf(fixture.tensor(test.target))];
    const { value, hooks, samples, grad } = await losses[test.net].valueAndGrad(pred, target);
    const layers = test.net === 'dists' ? [value] : hooks.map(({ loss }) => loss);
    expect(layers.length + 1).toBe(test.losses.length);
    for (const [i, loss] of [...layers, value].entries()) {
      const expected = test.losses[i] as number;
      expect(Math.abs(loss - expected), `loss ${i}`).toBeLessThanOrEqual((1e-5 + 2 * test.noise) * Math.abs(expected));
    }
    const bySample = [...(test.net === 'dists' ? [] : hooks.map((hook) => hook.samples)), samples];
    for (const [i, alone] of (test.net === 'dists' ? test.samples.slice(-1) : test.samples).entries()) {
      for (const [j, expected] of alone.entries()) {
        const difference = Math.abs((bySample[i]?.[j] as number) - expected);
        expect(difference, `sample ${j} of loss ${i}`).toBeLessThanOrEqual(
          (1e-5 + 2 * test.noise) * Math.abs(expected),
        );
      }
    }
    const expected = hostOf(fixture.tensor(test.grad)).data;
    const difference = Math.hypot(...expected.map((element, i) => element - (grad.data[i] as number)));
    expect(difference).toBeLessThanOrEqual(1e-4 * Math.hypot(...expected) + 2 * test.gradNoise + ROUNDING);
  });
});

it('is an objective as every other: in a sum, synchronous, with a target read before', async () => {
  const [test] = fixture.cases as [Case];
  const [pred, target] = [hostOf(fixture.tensor(test.pred)), hostOf(fixture.tensor(test.target))];
  const expected = test.losses.at(-1) as number;
  // Each reads its files by itself.
  await using lpips = new LPIPS();
  await using l1 = new L1Loss();
  await using sum = new WeightedLoss([
    [l1, 1],
    [new LPIPS(), 2],
  ]);
  expect(await sum.evaluate(pred, target)).toBeCloseTo((await l1.evaluate(pred, target)) + 2 * expected, 5);
  const { valueAndGrad } = await lpips.synchronous();
  expect(valueAndGrad(pred, target).value).toBeCloseTo(expected, 6);
  expect(await lpips.evaluate(pred, await lpips.encode(target))).toBeCloseTo(expected, 6);
});

it('is compiled with each of its weights in it once, and computes the same', async () => {
  const [test] = fixture.cases as [Case];
  const feeds = Object.fromEntries(
    (['pred', 'target'] as const).map((name) => {
      const { dims, data } = hostOf(fixture.tensor(test[name]));
      return [name, new OrtTensor('float32', data, dims)];
    }),
  );
  const compiled = await losses.alex.compile(feeds.pred?.dims as number[]);
  const asset = statSync(new URL('../../assets/lpips-alex.onnx', import.meta.url)).size;
  expect(compiled.length).toBeLessThan(1.02 * asset);
  const session = await InferenceSession.create(compiled);
  const found = await session.run(feeds);
  const expected = test.losses.at(-1) as number;
  expect(Math.abs((found.loss?.data[0] as number) - expected)).toBeLessThan(1e-5 * expected);
  const grad = hostOf(fixture.tensor(test.grad)).data;
  const difference = Math.hypot(...grad.map((element, i) => element - (found.grad?.data[i] as number)));
  expect(difference).toBeLessThan(1e-4 * Math.hypot(...grad));
  await session.release();
});

it('trains a student', async () => {
  const lpips = new LPIPS();
  const input = { dims: [1, 3, 48, 48], data: new Float32Array(3 * 48 * 48).fill(0.2) };
  const target = hostOf(fixture.tensor((fixture.cases[0] as Case).pred));
  const cropped = { dims: [1, 3, 48, 48], data: target.data.slice(0, 3 * 48 * 48) };
  await using trainer = await Trainer.create(new Conv2d(3, 3, 3, { padding: 1 }), lpips, new Adam({ lr: 1e-2 }), {
    batch: [1, 3, 48, 48],
  });
  const { loss: first } = await trainer.step(input, cropped);
  for (let step = 0; step < 4; step += 1) await trainer.step(input, cropped);
  expect((await trainer.evaluate(input, cropped)).loss).toBeLessThan(first);
});

describe('refuses, in one line', () => {
  const copy = join(folder, 'squeezenet1_1-00000000.pth');

  it.each([
    [
      'a network without its weights',
      { net: 'vgg' },
      /net 'vgg' needs the weights of torchvision's vgg16: .*--weights.*vgg16-397923af\.pth$/,
    ],
    ['weights for AlexNet', { weights: SQUEEZENET }, /net 'alex' has its weights in the package and takes no others/],
    [
      'weights of another network',
      { net: 'vgg', weights: SQUEEZENET },
      /does not hold the weights of torchvision's vgg16 \(missing: /,
    ],
    ['a file that is not there', { net: 'vgg', weights: 'none.pth' }, /cannot read 'none.pth': there is no such file/],
    [
      'a file whose name tells another hash',
      { net: 'squeeze', weights: copy },
      /is damaged: its SHA-256 should begin with 00000000/,
    ],
  ] as const)('%s', async (_, options, message) => {
    writeFileSync(copy, readFileSync(SQUEEZENET));
    await expect(LPIPS.load(options)).rejects.toThrow(message);
  });

  it('a network by another name', () => {
    expect(() => new LPIPS({ net: 'resnet' as 'vgg' })).toThrow(
      'LPIPS: net should be one of alex, vgg, squeeze, got "resnet"',
    );
  });
});

it('tells the hash of the weights', () => {
  const hash = createHash('sha256').update(readFileSync(SQUEEZENET)).digest('hex');
  expect((losses.squeeze as LPIPS).sha256).toBe(hash);
});

it('is the GlobalPercLoss of its network and configuration, and a variant has learned weights too', async () => {
  await using lpips = new LPIPS();
  const { model, config } = await lpips.network();
  const noise = hashed([1, 3, 40, 40]).data as Float32Array;
  const pred: TensorLike = { dims: [1, 3, 40, 40], data: noise.map((x) => (x + 1) / 2) };
  const target: TensorLike = { ...pred, data: Float32Array.from(pred.data as Float32Array, (x) => x * x) };
  const { value, hooks } = await lpips.valueAndHooks(pred, target);
  await using whole = new GlobalPercLoss(model, config);
  expect(await whole.evaluate(pred, target)).toBeCloseTo(value, 6);
  await using last = new GlobalPercLoss(model, new GlobalPercConfig({ ...config, modulesToHook: [/^features\.11$/] }));
  expect(await last.evaluate(pred, target)).toBeCloseTo(hooks[4]?.loss as number, 6);
});
