/** Large models of which the weights stay in their file: what they compute, and what happens when the file changes. */
import { mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, WeightedLoss } from '../../src/loss/index.js';
import { loadModel, type Model } from '../../src/model/index.js';
import { Conv2d, manualSeed, ReLU, Sequential } from '../../src/nn/index.js';
import { toOnnx } from '../../src/train/index.js';

let folder: string;
const path = (name: string) => join(folder, name);
/** 18 MB in two weights. */
const student = () =>
  new Sequential(new Conv2d(3, 1024, 3, { stride: 4 }), new ReLU(), new Conv2d(1024, 480, 3), new ReLU());

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'in-place-'));
  await mkdir(path('other'));
  for (const [seed, name] of ['model.onnx', 'other/model.onnx'].entries()) {
    manualSeed(seed);
    await writeFile(path(name), await toOnnx(student(), { input: [1, 3, 24, 24] }));
  }
});
afterAll(() => rm(folder, { recursive: true }));

const image = (side: number, phase: number) => ({
  dims: [1, 3, side, side],
  data: Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i * 0.37 + phase) ** 2),
});
const [pred, target] = [image(24, 0), image(24, 1)];
const lossOf = (model: Model) =>
  new GlobalPercLoss(model, new GlobalPercConfig({ printData: false, modulesToHook: ['Conv2d'] }));
const placed = ({ graph }: Model) =>
  graph.nodes.flatMap(({ inputs }) =>
    inputs.flatMap((value) => (value?.constant?.place ? [value.constant.place] : [])),
  );

describe('a model of 16 MB and more', () => {
  it('computes what it computes in memory', async () => {
    const [filed, held] = [await loadModel(path('model.onnx')), await loadModel(await readFile(path('model.onnx')))];
    expect(placed(filed).map(({ location }) => location)).toEqual(['model.onnx', 'model.onnx']);
    expect(placed(held)).toEqual([]);
    await using ours = lossOf(filed);
    await using theirs = lossOf(held);
    const [one, other] = [await ours.valueAndGrad(pred, target), await theirs.valueAndGrad(pred, target)];
    expect(one.value).toBe(other.value);
    // A convolution in the place of a transposed one adds up in another order.
    const most = Math.max(...other.grad.data.map(Math.abs));
    for (const [i, entry] of one.grad.data.entries())
      expect(Math.abs(entry - (other.grad.data[i] as number))).toBeLessThan(1e-5 * most);
  });

  it('does so beside one in another folder', async () => {
    const models = [await loadModel(path('model.onnx')), await loadModel(path('other/model.onnx'))];
    const parts = models.map(lossOf);
    await using both = new WeightedLoss(parts.map((part) => [part, 1] as const));
    const values = [];
    for (const part of parts) values.push(await part.evaluate(pred, target));
    const [a, b] = values as [number, number];
    expect(a).not.toBe(b);
    expect((await both.valueAndGrad(pred, target)).value).toBeCloseTo(a + b, 5);
    for (const part of parts) await part.dispose();
  });

  it('is in memory when it is trained, and may be saved over its file', async () => {
    await writeFile(path('trained.onnx'), await readFile(path('model.onnx')));
    const model = await loadModel(path('trained.onnx'), { trainable: true });
    expect(placed(model.model)).toEqual([]);
    const saved = model.toOnnx();
    await writeFile(path('trained.onnx'), saved);
    expect(Buffer.compare(model.toOnnx(), saved)).toBe(0);
  });
});

describe('a file that', () => {
  const copied = async (name: string) => {
    await writeFile(path(name), await readFile(path('model.onnx')));
    return lossOf(await loadModel(path(name)));
  };

  it.each<[what: string, change: (file: string) => Promise<void>, reason: string]>([
    ['is another now', (file) => rename(path('other/copy.onnx'), file), 'has changed since it was loaded'],
    ['was written to', (file) => utimes(file, 1, 1), 'has changed since it was loaded'],
    ['is gone', rm, 'is gone since it was loaded'],
  ])('%s is told when a session is to be opened', async (_what, change, reason) => {
    await using loss = await copied('changing.onnx');
    await writeFile(path('other/copy.onnx'), await readFile(path('other/model.onnx')));
    const { value } = await loss.valueAndGrad(pred, target);
    await change(path('changing.onnx'));
    // What is open computes on.
    expect((await loss.valueAndGrad(pred, target)).value).toBe(value);
    await expect(loss.evaluate(pred, target)).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'io',
      message: `'${path('changing.onnx')}' ${reason}, and weights are read from it whenever a session is opened: load it again, and leave it as it is meanwhile`,
    });
  });

  it('has changed is not read either', async () => {
    const loss = await copied('read.onnx');
    await utimes(path('read.onnx'), 1, 1);
    const [weight] = loss.model.graph.nodes.flatMap(({ inputs }) => inputs.filter((value) => value?.constant?.place));
    expect(() => weight?.constant?.bytes).toThrow(
      `cannot read '${path('read.onnx')}': it has changed since it was opened: load it again`,
    );
    await loss.dispose();
  });
});
