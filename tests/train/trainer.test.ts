/** What a Trainer promises beside its numbers: exact resumption, frozen weights, clear refusals, imported students. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GlobalPercError, type Tensor } from '../../src/graph/index.js';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  L1Loss,
  type LossDescription,
  MSELoss,
  type OpenInput,
  TeacherStudentLoss,
  WeightedLoss,
} from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv1d,
  Conv2d,
  Dropout,
  Linear,
  Module,
  manualSeed,
  type Parameter,
  ReLU,
  Sequential,
} from '../../src/nn/index.js';
import { AdamW, SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { Session } from '../../src/runtime/index.js';
import { Trainer, toOnnx } from '../../src/train/index.js';
import { RandomCrop, RandomShift } from '../../src/transforms/index.js';
import { floatTensor, input, type ModelSpec, modelBytes } from '../onnx/build.js';

const vgg = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));
const BATCH = [2, 3, 16, 16];

const image = (seed: number, dims: readonly number[] = BATCH) => {
  const generator = new Generator(seed);
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).map(() => generator.uniform());
  return { dims: [...dims], data };
};

function smallNet(seed = 1): Sequential {
  manualSeed(seed);
  return new Sequential(
    new Conv2d(3, 6, 3, { padding: 1 }),
    new BatchNorm2d(6),
    new ReLU(),
    new Dropout(0.3),
    new Conv2d(6, 3, 3, { padding: 1 }),
  );
}

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a run', () => {
  const options = { batch: BATCH, seed: 3, ema: 0.9, accumulate: 2 };
  const losses = async (trainer: Trainer, from: number, to: number): Promise<number[]> => {
    const taken: number[] = [];
    for (let i = from; i < to; i += 1) taken.push((await trainer.step(image(i), image(100 + i))).loss);
    return taken;
  };

  it.each([
    ['crops', new RandomCrop(8)],
    ['shifts', new RandomShift(3)],
    ['seeded shifts', new RandomShift(3, { seed: 4 })],
  ])(
    'goes on from a checkpoint exactly as if it had not stopped, dropout and random %s included',
    async (_what, at) => {
      const random = new GlobalPercConfig({ printData: false, transformNormalization: at });
      const loss = new GlobalPercLoss(await loadModel(vgg), random);
      await using whole = await Trainer.create(smallNet(), loss, new AdamW({ lr: 1e-2 }), options);
      const expected = await losses(whole, 0, 9);

      await using first = await Trainer.create(smallNet(), loss, new AdamW({ lr: 1e-2 }), options);
      const before = await losses(first, 0, 5);
      await first.save(join(folder, 'run'));
      await using second = await Trainer.create(smallNet(2), loss, new AdamW({ lr: 1e-2 }), options);
      await second.load(join(folder, 'run'));
      expect(second.steps).toBe(5);
      expect([...before, ...(await losses(second, 5, 9))]).toEqual(expected);
      expect(await second.emaStateDict()).toEqual(await whole.emaStateDict());
    },
  );

  it('draws other dropout masks for another seed', async () => {
    const of = async (seed: number): Promise<number> => {
      await using trainer = await Trainer.create(smallNet(), new L1Loss(), new SGD(), { batch: BATCH, seed });
      return (await trainer.step(image(1), image(2))).loss;
    };
    expect(await of(1)).toBe(await of(1));
    expect(await of(1)).not.toBe(await of(2));
  });

  it('refuses to resume with another seed, and changes nothing', async () => {
    await using first = await Trainer.create(smallNet(), new L1Loss(), new SGD({ lr: 0.1 }), { batch: BATCH, seed: 1 });
    await first.step(image(1), image(2));
    await using other = await Trainer.create(smallNet(), new L1Loss(), new SGD({ lr: 0.1 }), { batch: BATCH, seed: 2 });
    const before = smallNet().stateDict();
    await expect(other.restore(await first.checkpoint())).rejects.toThrow(/made with seed 1, this trainer has 2/);
    await other.synchronize();
    expect(other.steps).toBe(0);
    expect(other.student.stateDict()).toEqual(before);
  });

  it('is evaluated the same whatever step it is at, random crops included', async () => {
    const crop = new GlobalPercConfig({ printData: false, transformNormalization: new RandomCrop(8) });
    const loss = new GlobalPercLoss(await loadModel(vgg), crop);
    // Neither weights nor batch statistics move.
    const still = new Sequential(new Conv2d(3, 3, 1), new Dropout(0.5));
    await using trainer = await Trainer.create(still, loss, new SGD({ lr: 0 }), { batch: BATCH });
    const at = async (): Promise<number> => (await trainer.evaluate(image(1), image(2))).loss;
    const first = await at();
    const steps = [await trainer.step(image(1), image(2)), await trainer.step(image(1), image(2))];
    expect(new Set(steps.map(({ loss: value }) => value)).size).toBe(2);
    expect(await at()).toBe(first);
    await loss.dispose();
  });

  it('keeps only the last checkpoint', async () => {
    await using trainer = await Trainer.create(smallNet(), new L1Loss(), new SGD(), { batch: BATCH });
    const run = join(folder, 'last');
    await trainer.save(run);
    await trainer.step(image(1), image(2));
    await trainer.save(run);
    await trainer.save(run);
    expect(await readdir(run)).toHaveLength(1);
  });

  it('refuses a checkpoint of another model, lists the keys, and changes nothing', async () => {
    const run = join(folder, 'other');
    await using other = await Trainer.create(new Sequential(new Conv2d(3, 3, 1)), new L1Loss(), new SGD(), {
      batch: BATCH,
    });
    await other.save(run);
    await using trainer = await Trainer.create(smallNet(), new L1Loss(), new SGD(), { batch: BATCH });
    const before = (await trainer.evaluate(image(1), image(2))).loss;
    await expect(trainer.load(run)).rejects.toThrow(
      /another model or optimiser; missing: .*1\.weight.*of another shape: .*0\.weight/,
    );
    expect((await trainer.evaluate(image(1), image(2))).loss).toBe(before);
    await expect(trainer.load(join(folder, 'none'))).rejects.toThrow(/there is no such folder/);
  });

  it('refuses a damaged checkpoint', async () => {
    const run = join(folder, 'damaged');
    await using trainer = await Trainer.create(smallNet(), new L1Loss(), new SGD(), { batch: BATCH });
    await trainer.save(run);
    const [name] = await readdir(run);
    await writeFile(join(run, name as string, 'model.safetensors'), 'not a checkpoint');
    await expect(trainer.load(run)).rejects.toThrow(/model\.safetensors/);
  });
});

describe('weights', () => {
  it('that are frozen stay, the others move', async () => {
    const student = smallNet().freeze(/^0\./);
    const before = student.stateDict();
    await using trainer = await Trainer.create(student, new MSELoss(), new SGD({ lr: 0.1 }), { batch: BATCH });
    await trainer.step(image(1), image(2));
    await trainer.synchronize();
    const after = student.stateDict();
    expect(after['0.weight']).toEqual(before['0.weight']);
    expect(after['4.weight']).not.toEqual(before['4.weight']);
    const { data } = student.parameters()[0] as Parameter;
    await trainer.synchronize();
    expect(student.parameters()[0]?.data).toBe(data);
    expect(() => student.freeze(/nothing/)).toThrow(/no parameter matches/);
  });

  it('of a normalisation that is called twice follow both batches', async () => {
    class Twice extends Module {
      readonly norm = new BatchNorm2d(1);
      override forward(x: Tensor): Tensor {
        return this.norm(this.norm(x));
      }
    }
    const batch = [1, 1, 1, 2];
    const student = new Twice();
    await using trainer = await Trainer.create(student, new MSELoss(), new SGD({ lr: 0 }), { batch });
    await trainer.step({ dims: batch, data: [1, 3] }, image(1, batch));
    await trainer.synchronize();
    const { data } = student.stateDict()['norm.running_mean'] as { data: Float32Array };
    // 0.1 · 2, and then 0.9 of it: the mean of what is normalised is 0.
    expect(data[0]).toBeCloseTo(0.18, 6);
    expect(student.stateDict()['norm.num_batches_tracked']?.data).toEqual(BigInt64Array.of(2n));
  });

  it('all frozen are refused', async () => {
    const trainer = Trainer.create(smallNet().freeze(), new L1Loss(), new SGD(), { batch: BATCH });
    await expect(trainer).rejects.toThrow(/no parameter to train/);
  });

  it('an optimiser group that matches nothing is refused', async () => {
    const optimizer = new AdamW({ groups: [{ parameters: /norm/, weightDecay: 0 }] });
    await expect(Trainer.create(smallNet(), new L1Loss(), optimizer, { batch: BATCH })).rejects.toThrow(
      /\/norm\/ matches no/,
    );
  });
});

describe('a loss that breaks', () => {
  it('names step and hook, and leaves the weights as they were', async () => {
    const student = new Sequential(new Conv2d(3, 3, 1));
    const loss = new GlobalPercLoss(await loadModel(vgg), new GlobalPercConfig({ printData: false }));
    await using trainer = await Trainer.create(student, loss, new SGD({ lr: 1e37 }), { batch: BATCH });
    await trainer.step(image(1), image(2));
    const poisoned = async (): Promise<unknown> => {
      for (let i = 0; i < 4; i += 1) await trainer.step(image(1), image(2));
      return undefined;
    };
    const error = (await poisoned().catch((reason: unknown) => reason)) as Error;
    expect(error.message).toMatch(/step \d: the (loss|gradient).*(hook \d+ \(|norm)/);
    expect(error.message).toContain(`are those of step ${trainer.steps}.`);
    await trainer.synchronize();
    expect(student.parameters().every(({ data }) => data.every(Number.isFinite))).toBe(true);
  });
});

describe('what does not fit', () => {
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'an input of another shape',
      async () => step(image(1, [1, 3, 16, 16]), image(2)),
      /input has shape \[1,3,16,16\]/,
    ],
    ['a target of another shape', async () => step(image(1), image(2, [2, 3, 8, 8])), /target has shape \[2,3,8,8\]/],
    ['a student for other channels', () => create([2, 4, 16, 16]), /4/],
    ['a batch that is no shape', () => create([0, 3]), /batch should be/],
    ['a NaN', async () => step({ ...image(1), data: new Float32Array(2 * 3 * 256).fill(Number.NaN) }, image(2)), /NaN/],
  ];
  const create = (batch: number[]): Promise<Trainer> => Trainer.create(smallNet(), new L1Loss(), new SGD(), { batch });
  const step = async (input: ReturnType<typeof image>, target: ReturnType<typeof image>): Promise<unknown> => {
    await using trainer = await create(BATCH);
    return await trainer.step(input, target);
  };
  it.each(cases)('%s is refused', async (_, attempt, message) => {
    await expect(attempt()).rejects.toThrow(message);
  });

  it('a disposed trainer is refused, but its student can still be exported', async () => {
    const trainer = await create(BATCH);
    await trainer.dispose();
    expect((await toOnnx(trainer.student)).length).toBeGreaterThan(0);
    await expect(trainer.step(image(1), image(2))).rejects.toThrow(/disposed/);
  });
});

describe('an imported student', () => {
  it('trains, and is exported with its weights, names and open dimensions', async () => {
    const student = await loadModel(vgg, { trainable: true });
    const before = await loadModel(vgg);
    const shape = [2, 3, 16, 16];
    await student.prepare(shape);
    await using trainer = await Trainer.create(student, new MSELoss(), new AdamW({ lr: 1e-3 }), { batch: shape });
    const { dims } = await trainer.predict(image(1, shape));
    const target = image(9, dims);
    const first = (await trainer.step(image(1, shape), target)).loss;
    let last = first;
    for (let i = 0; i < 20; i += 1) last = (await trainer.step(image(1, shape), target)).loss;
    expect(last).toBeLessThan(0.9 * first);

    const exported = await loadModel(await toOnnx(student));
    expect(exported.calls.map(({ path, class: name }) => [path, name])).toEqual(
      before.calls.map(({ path, class: name }) => [path, name]),
    );
    expect(exported.input.declaredShape).toEqual(before.input.declaredShape);
    const again = await loadModel(await toOnnx(student), { trainable: true });
    await using check = await Trainer.create(again, new MSELoss(), new AdamW(), { batch: shape });
    expect((await check.evaluate(image(1, shape), target)).loss).toBeCloseTo(
      (await trainer.evaluate(image(1, shape), target)).loss,
      5,
    );
  });
});

describe('images of many sizes', () => {
  const pooled = () => new Sequential(smallNet(), new AdaptiveAvgPool2d([4, 4]));

  it.each([
    ['in one session', smallNet, 1],
    ['in those of the eight that were used last, the step included', pooled, 7],
  ])('are predicted %s', async (_what, student, open) => {
    await using trainer = await Trainer.create(student(), new MSELoss(), new AdamW(), { batch: BATCH });
    const target = image(9, (await trainer.predict(image(1))).dims);
    const [run, dispose] = [vi.spyOn(Session.prototype, 'run'), vi.spyOn(Session.prototype, 'dispose')];
    const predicted = [];
    for (let i = 0; i < 10; i += 1) predicted.push(await trainer.predict(image(i, [1, 3, 16 + 4 * i, 20])));
    const sessions = new Set(run.mock.contexts);
    for (const closed of dispose.mock.contexts) sessions.delete(closed);
    run.mockRestore();
    dispose.mockRestore();
    expect(sessions.size).toBe(open);
    expect(await trainer.predict(image(0, [1, 3, 16, 20]))).toEqual(predicted[0]);
    expect((await trainer.step(image(1), target)).loss).toBeGreaterThan(0);
  });
});

describe('an exported student', () => {
  it('computes what the trainer predicts, can be hooked by name, and takes any batch and size', async () => {
    const student = smallNet();
    await using trainer = await Trainer.create(student, new L1Loss(), new AdamW(), { batch: BATCH });
    await trainer.step(image(1), image(2));
    const file = await toOnnx(student);
    const model = await loadModel(file);
    expect(model.input.declaredShape).toEqual(['batch', 3, 'height', 'width']);
    expect(model.calls.map(({ path, class: name }) => `${path} ${name}`)).toEqual([
      '0 Conv2d',
      '1 BatchNorm2d',
      '2 ReLU',
      '4 Conv2d',
    ]);
    const again = await loadModel(file, { trainable: true });
    const other = [1, 3, 24, 8];
    await using check = await Trainer.create(again, new L1Loss(), new SGD(), { batch: other });
    const [ours, theirs] = [await trainer.predict(image(5, other)), await check.predict(image(5, other))];
    expect(ours.dims).toEqual(other);
    ours.data.forEach((value, i) => {
      expect(theirs.data[i]).toBeCloseTo(value, 5);
    });
  });

  it('asks for the shape where none is known', async () => {
    await expect(toOnnx(smallNet())).rejects.toThrow(/tell the shape/);
  });

  it('writes every output of a module', async () => {
    class Two extends Module<Tensor[]> {
      readonly conv = new Conv2d(3, 2, 3, { stride: 2 });
      readonly linear = new Linear(2, 4);
      override forward(x: Tensor): Tensor[] {
        const features = this.conv(x);
        return [features, this.linear(features.mean([2, 3]))];
      }
    }
    const { graph } = await loadModel(await toOnnx(new Two(), { input: BATCH }));
    expect(graph.outputs.map(({ name, declaredShape }) => [name, declaredShape])).toEqual([
      ['output', ['batch', 2, '?', '?']],
      ['output_1', ['batch', 4]],
    ]);
  });

  it('opens the batch alone where there are no height and width', async () => {
    const { input: x, graph } = await loadModel(
      await toOnnx(new Sequential(new Conv1d(3, 2, 3)), { input: [2, 3, 16] }),
    );
    expect(x.declaredShape).toEqual(['batch', 3, 16]);
    expect(graph.outputs[0]?.declaredShape).toEqual(['batch', 2, 14]);
  });

  it('keeps a fixed size where the graph depends on it', async () => {
    class Fixed extends Module {
      readonly linear = new Linear(3 * 16 * 16, 4);
      override forward(x: Tensor): Tensor {
        return this.linear(x.reshape([x.dim(0), -1]));
      }
    }
    const model = await loadModel(await toOnnx(new Fixed(), { input: BATCH }));
    expect(model.input.declaredShape).toEqual(BATCH);
  });
});

describe('inputs that a loss leaves open', () => {
  /** The squared distance of what a ReLU makes of the image times a factor. */
  const scaled = async (dims: (number | string)[], constants = {}): Promise<GlobalPercLoss> => {
    const spec: ModelSpec = {
      inputs: [input('x', ['n', 3, 'h', 'w']), input('factor', dims)],
      nodes: [
        ['Mul', ['x', 'factor'], ['scaled']],
        ['Relu', ['scaled'], ['y']],
      ],
    };
    const model = await loadModel(modelBytes(spec), { input: 'x', inputs: constants });
    return new GlobalPercLoss(model, new GlobalPercConfig({ lossFunc: new MSELoss(), printData: false }));
  };
  const [given, wanted] = [image(1), image(2)];

  it('of a declared shape get a value with every step', async () => {
    await using trainer = await Trainer.create(smallNet(), await scaled([1]), new SGD({ lr: 0 }), { batch: BATCH });
    const losses = await Promise.all(
      [1, 2].map((factor) => trainer.evaluate(given, wanted, { inputs: { factor } }).then(({ loss }) => loss)),
    );
    expect((losses[1] as number) / (losses[0] as number)).toBeCloseTo(4, 5);
  });

  it('of an unknown shape: one line says what to do', async () => {
    const created = async (constants = {}): Promise<Trainer> =>
      Trainer.create(smallNet(), await scaled(['many'], constants), new SGD({ lr: 0 }), { batch: BATCH });
    await expect(created()).rejects.toThrow(
      /^Trainer: the input 'factor' of the loss's model is open, .*: tell its shape, \{ lossInputs: \{ factor: \[…\] \} \}, give it a value, loadModel\(source, \{ inputs: \{ factor: … \} \}\), or export the model with fixed sizes for it$/,
    );
    await (await created({ factor: 2 })).dispose();
  });

  it('may have another shape with every evaluation', async () => {
    const l1 = new L1Loss();
    const factor: OpenInput = {
      name: 'factor',
      needed: true,
      type: { dtype: 'float32', shape: [1] },
      tensor: (value) => {
        const { dims, data } = value as ReturnType<typeof image>;
        return { dtype: 'float32', dims, data };
      },
      missing: () => new GlobalPercError('factor is missing', { code: 'invalid-argument' }),
    };
    const description: LossDescription<Tensor> = {
      prediction: (scene) => l1.description.prediction(scene),
      target: (scene) => l1.description.target(scene),
      compare: (prediction, target, scene) => {
        const comparison = l1.description.compare(prediction, target, scene);
        return { ...comparison, loss: comparison.loss.mul(scene.openInput('factor').sum()) };
      },
      openInputs: [factor],
    };
    await using trainer = await Trainer.create(smallNet(), { description }, new SGD({ lr: 0 }), { batch: BATCH });
    const evaluated = async (...data: number[]): Promise<number> => {
      const inputs = { factor: { dims: [data.length], data: Float32Array.from(data) } };
      return (await trainer.evaluate(given, wanted, { inputs })).loss;
    };
    const one = await evaluated(1);
    expect((await evaluated(1, 2)) / one).toBeCloseTo(3, 5);
    expect((await evaluated(2)) / one).toBeCloseTo(2, 5);
  });
});

describe('distillation', () => {
  it('compares with the mean of channels of the teacher that lie side by side', async () => {
    const teacher = await loadModel(
      modelBytes({
        inputs: [input('x', ['batch', 4, 'height', 'width'])],
        nodes: [['Conv', ['x', 'weight'], ['y']]],
        initializers: [floatTensor('weight', [4, 4, 1, 1], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])],
      }),
    );
    const student = new Sequential(new Conv2d(4, 2, 1, { bias: false }));
    const weight = student.parameters()[0] as Parameter;
    weight.data = Float32Array.of(0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5);
    const config = new GlobalPercConfig({ modulesToHook: ['Conv2d'], printData: false });
    await using loss = new TeacherStudentLoss(teacher, student, config);
    const batch = [1, 4, 3, 3];
    await using trainer = await Trainer.create(student, loss, new SGD({ lr: 0 }), { batch });
    const { loss: value } = await trainer.evaluate(image(1, batch), image(2, [1, 2, 3, 3]));
    expect(value).toBeCloseTo(0, 10);
  });

  it('draws a student with batch norm to a teacher of more channels, and groups the channels', async () => {
    const teacher = await loadModel(vgg);
    manualSeed(4);
    const student = new Sequential(
      ...[new Conv2d(3, 4, 3, { padding: 1 }), new BatchNorm2d(4), new ReLU()],
      ...[new Conv2d(4, 8, 3, { padding: 1 }), new BatchNorm2d(8), new ReLU()],
    );
    const config = new GlobalPercConfig({ modulesToHook: ['ReLU'], printData: false });
    const first = teacher.calls
      .filter((call) => call.class === 'ReLU')
      .slice(0, 2)
      .map((call) => call.path);
    const hooks = new GlobalPercConfig({
      modulesToHook: first.map((path) => new RegExp(`^${path.replaceAll('.', '\\.')}$`)),
      printData: false,
    });
    const loss = new TeacherStudentLoss(teacher, student, hooks, { studentModulesToHook: ['ReLU'] });
    await using trainer = await Trainer.create(student, loss, new AdamW({ lr: 1e-2 }), { batch: BATCH });
    const target = image(3, (await trainer.predict(image(1))).dims);
    const start = await trainer.step(image(1), target);
    let end = start;
    for (let i = 0; i < 30; i += 1) end = await trainer.step(image(1), target);
    expect(start.hooks).toHaveLength(2);
    expect(end.loss).toBeLessThan(0.5 * start.loss);
    const mismatched = Trainer.create(student, new TeacherStudentLoss(teacher, student, config), new AdamW(), {
      batch: BATCH,
    });
    await expect(mismatched).rejects.toThrow(/2 hooks in the student .* in the teacher/s);
    const weighted = new WeightedLoss([
      [loss, 1],
      [new L1Loss(), 0.1],
    ]);
    const other = new Sequential(new Conv2d(3, 8, 3, { padding: 1 }));
    await expect(Trainer.create(other, weighted, new AdamW(), { batch: BATCH })).rejects.toThrow(/another student/);
  });
});
