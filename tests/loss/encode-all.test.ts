/** Targets of a data set, read once and kept in files: the numbers of images, and what cannot be kept is refused. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataLoader, type Dataset, parseSafetensors, TensorDataset } from '../../src/data/index.js';
import type { Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss, NormalizedTensorLoss, WeightedLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { Conv2d, manualSeed, ReLU, Sequential } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { Trainer } from '../../src/train/index.js';
import { RandomCrop } from '../../src/transforms/index.js';

const vgg = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));
const DIMS = [3, 16, 16];
const image = (seed: number, dims = DIMS) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => 0.5 + 0.5 * Math.sin((i + 1) * seed)),
});
const targets = [1.1, 1.7, 2.3, 2.9].map((seed) => image(seed));
const photos = () =>
  new TensorDataset(
    [3.1, 3.7, 4.3, 4.9].map((seed) => image(seed)),
    targets,
  );

const perceptual = async (options: object = {}) =>
  new GlobalPercLoss(
    await loadModel(vgg),
    new GlobalPercConfig({
      printData: false,
      modulesToHook: [ReLU],
      lossFunc: new NormalizedTensorLoss('l2'),
      ...options,
    }),
  );

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'encoded-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const files = (): string[] => readdirSync(folder);

/** Losses of some steps on the batches of a data set, and the weights after them. */
async function trained(dataset: Dataset, loss: ConstructorParameters<typeof WeightedLoss>[0][0][0]) {
  manualSeed(1);
  const student = new Sequential(new Conv2d(3, 3, 3, { padding: 1 }));
  await using trainer = await Trainer.create(student, loss, new SGD({ lr: 0.1 }), { batch: [2, ...DIMS] });
  const losses: number[] = [];
  for await (const { input, target } of new DataLoader(dataset, { batchSize: 2, shuffle: true }).stream()) {
    losses.push((await trainer.step(input, target)).loss);
    if (losses.length === 4) break;
  }
  await trainer.synchronize();
  return { losses, weights: Array.from(student.parameters(), ({ data }) => [...(data as Float32Array)]).flat() };
}

const close = (values: readonly number[], digits: number) => values.map((value) => expect.closeTo(value, digits));

describe('a run on encoded targets', () => {
  it.each<[what: string, make: () => Promise<GlobalPercLoss | WeightedLoss>]>([
    ['of a perceptual loss', perceptual],
    [
      'of a sum, with pixels',
      async () =>
        new WeightedLoss([
          [new L1Loss(), 1],
          [await perceptual(), 0.5],
        ]),
    ],
  ])('%s is the run on images', async (_what, make) => {
    await using loss = await make();
    const encoded = await loss.encodeAll(photos(), folder);
    const [found, expected] = [await trained(encoded, encoded.loss), await trained(photos(), loss)];
    expect(found.losses).toEqual(close(expected.losses, 5));
    expect(found.weights).toEqual(close(expected.weights, 6));
    expect(files()).toHaveLength(4);
  });

  it('of half precision has gradients within 1e-3', async () => {
    await using loss = await perceptual();
    const encoded = await loss.encodeAll(photos(), folder, { dtype: 'float16' });
    const step = async (dataset: Dataset, objective: typeof encoded.loss) => {
      manualSeed(1);
      const student = new Sequential(new Conv2d(3, 3, 3, { padding: 1 }));
      const weights = () => Array.from(student.parameters(), ({ data }) => [...(data as Float32Array)]).flat();
      const before = weights();
      await using trainer = await Trainer.create(student, objective, new SGD({ lr: 1 }), { batch: [2, ...DIMS] });
      for await (const { input, target } of new DataLoader(dataset, { batchSize: 2 })) {
        await trainer.step(input, target);
        break;
      }
      await trainer.synchronize();
      return weights().map((weight, i) => (before[i] as number) - weight);
    };
    const [found, expected] = [await step(encoded, encoded.loss), await step(photos(), loss)];
    const length = (values: readonly number[]) => Math.hypot(...values);
    const error = length(found.map((value, i) => value - (expected[i] as number))) / length(expected);
    expect(error).toBeLessThan(1e-3);
    expect(error).toBeGreaterThan(0);
    const { tensors } = parseSafetensors(readFileSync(join(folder, files()[0] as string)), 'it');
    expect(new Set(Array.from(tensors.values(), ({ dtype }) => dtype))).toEqual(new Set(['float16']));
  });
});

describe('files of targets', () => {
  it('are computed once, and others are for another loss', async () => {
    const encode = async (options: object = {}, dataset: Dataset = photos()) => {
      await using loss = await perceptual(options);
      const done: number[] = [];
      const onProgress = (progress: { done: number; total: number }) => void done.push(progress.done);
      await loss.encodeAll(dataset, folder, { onProgress });
      return done;
    };
    expect(await encode()).toEqual([1, 2, 3, 4]);
    const written = () => files().map((name) => [name, statSync(join(folder, name)).mtimeMs]);
    const before = written();
    await encode({ lossFunc: new NormalizedTensorLoss('l1') });
    expect(written()).toEqual(before);
    await encode({ modulesToHook: [Conv2d] });
    expect(files()).toHaveLength(8);
    await encode({}, new TensorDataset([image(1)], [image(9)]));
    expect(files()).toHaveLength(9);
  });

  it('hold in float32 what half precision cannot', async () => {
    await using loss = new L1Loss();
    const bright = [0, 1].map((i) => ({ dims: [1, 2, 2], data: Float32Array.of(1, 2, 3, i * 70000) }));
    await loss.encodeAll(new TensorDataset(bright, bright), folder, { dtype: 'float16' });
    const dtypes = files().map((name) => {
      const { tensors } = parseSafetensors(readFileSync(join(folder, name)), name);
      return Array.from(tensors.values(), ({ dtype }) => dtype).join();
    });
    expect(dtypes.sort()).toEqual(['float16', 'float32']);
  });

  it('that are damaged are named', async () => {
    await using loss = new L1Loss();
    const encoded = await loss.encodeAll(photos(), folder);
    for (const name of files()) writeFileSync(join(folder, name), 'x');
    await expect(encoded.get(0, new Generator())).rejects.toMatchObject({ code: 'invalid-file' });
  });
});

describe('what cannot be kept is refused in one line:', () => {
  const drawn: Dataset = {
    length: 2,
    get: async (index, generator) => ({ input: image(index + 1), target: image(generator.uniform() + 1) }),
  };

  it('targets that are drawn', async () => {
    await using loss = new L1Loss();
    await expect(loss.encodeAll(drawn, folder)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(
        /^encodeAll: the target of sample 0 is another each time[^\n]*random crops[^\n]*$/,
      ),
    });
  });

  it('targets that have changed since', async () => {
    await using loss = new L1Loss();
    const changing = [image(1), image(2)];
    const encoded = await loss.encodeAll(new TensorDataset(changing, changing), folder);
    changing[1]?.data.fill(0.25);
    expect((await encoded.get(0, new Generator())).target.data).toEqual(image(1).data);
    await expect(encoded.get(1, new Generator())).rejects.toThrow(/^sample 1: this target was not read before/);
  });

  it('targets of several sizes', async () => {
    await using loss = new L1Loss();
    const mixed = [image(1), image(2, [3, 8, 8])];
    await expect(loss.encodeAll(new TensorDataset(mixed, mixed), folder)).rejects.toThrow(
      'the target of sample 1 is [3,8,8], that of sample 0 [3,16,16]: crop or resize them alike',
    );
  });

  it('losses that crop at random', async () => {
    await using loss = await perceptual({ transformNormalization: new RandomCrop(8) });
    await expect(loss.encodeAll(photos(), folder)).rejects.toThrow('cannot encode a target');
  });

  it('activations that mix the images of a batch', async () => {
    const centred = (x: Tensor) => x.sub(x.mean([0], true));
    const description = {
      *prediction({ output }: { output: Tensor }) {
        yield* [];
        return centred(output);
      },
      *target({ target }: { target: Tensor }) {
        yield* [];
        return centred(target);
      },
    };
    await using loss = new L1Loss();
    Object.assign(loss, { description: Object.assign(Object.create(loss.description), description) });
    await expect(loss.encodeAll(photos(), folder)).rejects.toThrow(
      'what is read of a batch is not what is read of its images',
    );
  });

  it('an empty data set', async () => {
    await using loss = new L1Loss();
    await expect(loss.encodeAll(new TensorDataset([], []), folder)).rejects.toThrow('the data set is empty');
  });
});
