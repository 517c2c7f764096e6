/** Students of several inputs, losses without a target, and what lies between a student's output and its loss. */
import { afterAll, describe, expect, it } from 'vitest';
import { int, ints, type Tensor } from '../../src/graph/index.js';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  L1Loss,
  type LossDescription,
  MappedLoss,
  MSELoss,
  type Objective,
  WeightedLoss,
} from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { BatchNorm2d, Conv2d, Dropout, Embedding, Module, manualSeed, ReLU, Sequential } from '../../src/nn/index.js';
import { AdamW, SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { Trainer, toOnnx } from '../../src/train/index.js';
import { Lambda } from '../../src/transforms/index.js';
import { floatTensor, input, modelBytes } from '../onnx/build.js';

const tensor = (seed: number, dims: readonly number[]) => {
  const generator = new Generator(seed);
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).map(() => generator.uniform());
  return { dims: [...dims], data };
};

const LATENTS = [2, 4, 8, 8];
const TEXT = [2, 5, 1, 1];
const inputs = { latents: LATENTS, text: TEXT };
const batchOf = (seed: number) => ({ latents: tensor(seed, LATENTS), text: tensor(seed + 50, TEXT) });

/** Latents, shifted by what a text says. */
class Conditioned extends Module {
  readonly conv = new Conv2d(4, 4, 3, { padding: 1 });
  readonly drop = new Dropout(0.2);
  readonly shift = new Conv2d(5, 4, 1);
  override forward(latents: Tensor, text: Tensor): Tensor {
    return this.drop(this.conv(latents).add(this.shift(text)));
  }
}

const conditioned = (seed = 1): Conditioned => {
  manualSeed(seed);
  return new Conditioned();
};

describe('named inputs', () => {
  const create = (student = conditioned(), options = {}): Promise<Trainer> =>
    Trainer.create(student, new L1Loss(), new AdamW({ lr: 1e-2 }), { inputs, seed: 3, ...options });

  it('reach forward in their order, whatever the order of a call, and a run goes on exactly', async () => {
    await using whole = await create();
    expect([...whole.inputs.keys()]).toEqual(['latents', 'text']);
    const steps = async (trainer: Trainer, from: number, to: number): Promise<number[]> => {
      const taken: number[] = [];
      for (let i = from; i < to; i += 1) {
        const { latents, text } = batchOf(i);
        taken.push((await trainer.step({ text, latents }, tensor(100 + i, LATENTS))).loss);
      }
      return taken;
    };
    const expected = await steps(whole, 0, 4);
    await using first = await create();
    await steps(first, 0, 2);
    await using second = await create(conditioned(2));
    await second.restore(await first.checkpoint());
    expect(await steps(second, 2, 4)).toEqual(expected.slice(2));
  });

  it('are predicted, evaluated and exported, in any batch', async () => {
    await using trainer = await create();
    const { latents, text } = batchOf(1);
    const prediction = await trainer.predict({ latents, text });
    const { loss } = await trainer.evaluate({ latents, text }, latents);
    const mean = prediction.data.reduce((sum, value, i) => sum + Math.abs(value - (latents.data[i] as number)), 0);
    expect(loss).toBeCloseTo(mean / latents.data.length, 5);

    const file = await loadModel(await toOnnx(trainer.student), { trainable: true, input: 'latents' });
    expect(file.model.graph.inputs.map(({ name, declaredShape }) => [name, declaredShape])).toEqual([
      ['latents', ['batch', 4, 'height', 'width']],
      ['text', ['batch', 5, 1, 1]],
    ]);
    await using again = await Trainer.create(file, new L1Loss(), new SGD(), { inputs });
    expect((await again.predict({ latents, text })).data).toEqual(prediction.data);
    const one = { latents: tensor(1, [1, 4, 16, 8]), text: tensor(2, [1, 5, 1, 1]) };
    const [ours, theirs] = [await trainer.predict(one), await again.predict(one)];
    expect(theirs.dims).toEqual([1, 4, 16, 8]);
    theirs.data.forEach((value, i) => {
      expect(value).toBeCloseTo(ours.data[i] as number, 5);
    });
  });

  it('of integers index embeddings', async () => {
    class Captioned extends Module {
      readonly embedding = new Embedding(7, 4);
      override forward(latents: Tensor, ids: Tensor): Tensor {
        return latents.add(this.embedding(ids).mean([1]).unsqueeze([2, 3]));
      }
    }
    const ids = { dtype: 'int64', shape: [2, 3] } as const;
    await using trainer = await Trainer.create(new Captioned(), new L1Loss(), new SGD(), {
      inputs: { latents: LATENTS, ids },
    });
    const latents = tensor(1, LATENTS);
    await trainer.step({ latents, ids: { dims: [2, 3], data: [0, 1, 2, 3, 4, 6] } }, tensor(2, LATENTS));
    await expect(
      trainer.step({ latents, ids: { dims: [2, 3], data: [0, 1, 2, 3, 4, 0.5] } }, tensor(2, LATENTS)),
    ).rejects.toThrow("input 'ids' should hold integers, it holds 0.5");
  });

  it.each([
    ['one is missing', { latents: tensor(1, LATENTS) }, /given by name, step\(\{ latents, text \}\); got latents/],
    [
      'one is not known',
      { ...batchOf(1), more: tensor(1, [1]) },
      /step\(\{ latents, text \}\); got latents, text, more/,
    ],
    ['there is one tensor', tensor(1, LATENTS), /step\(\{ latents, text \}\); got one tensor/],
    [
      'one has another shape',
      { ...batchOf(1), text: tensor(1, [2, 4, 1, 1]) },
      /input 'text' has shape \[2,4,1,1\], the trainer was made for \[2,5,1,1\]/,
    ],
  ])('are refused where %s', async (_what, given, message) => {
    await using trainer = await create();
    await expect(trainer.step(given as never, tensor(1, LATENTS))).rejects.toThrow(message);
  });

  it.each([
    ['both ways', { inputs, batch: LATENTS }, /tell either batch, .* or inputs/],
    ['neither way', { inputs: undefined }, /tell either batch, .* or inputs/],
    ['none', { inputs: {} }, /Trainer: inputs should be at least one input/],
    ['no shapes', { inputs: { latents: 4 } }, /Trainer: inputs.latents should be a shape/],
  ])('that are told %s are refused', async (_what, options, message) => {
    await expect(create(conditioned(), options)).rejects.toThrow(message);
  });
});

describe('an imported student of several inputs', () => {
  it('takes them by their names in the file, also inside another module', async () => {
    const bytes = modelBytes({
      inputs: [input('x', [2, 4, 8, 8]), input('scale', [2, 1, 1, 1])],
      nodes: [
        ['Conv', ['x', 'conv.weight'], ['a']],
        ['Mul', ['a', 'scale'], ['y']],
      ],
      initializers: [
        floatTensor(
          'conv.weight',
          [4, 4, 1, 1],
          Array.from({ length: 16 }, (_, i) => Math.cos(i)),
        ),
      ],
    });
    const load = () => loadModel(bytes, { trainable: true, input: 'x' });
    const shapes = { scale: [2, 1, 1, 1], x: LATENTS };
    const given = { x: tensor(1, LATENTS), scale: tensor(2, [2, 1, 1, 1]) };
    await using alone = await Trainer.create(await load(), new L1Loss(), new SGD(), { inputs: shapes });
    expect([...alone.inputs.keys()]).toEqual(['x', 'scale']);

    class Wrapped extends Module {
      readonly inner: Awaited<ReturnType<typeof load>>;
      constructor(inner: Awaited<ReturnType<typeof load>>) {
        super();
        this.inner = inner;
      }
      override prepare(scale: readonly number[], x: readonly number[]): Promise<void> {
        return this.inner.prepare(x, scale);
      }
      override forward(scale: Tensor, x: Tensor): Tensor {
        return this.inner(x, scale)[0] as Tensor;
      }
    }
    await using wrapped = await Trainer.create(new Wrapped(await load()), new L1Loss(), new SGD(), { inputs: shapes });
    expect((await wrapped.predict(given)).data).toEqual((await alone.predict(given)).data);
    expect((await wrapped.step(given, given.x)).loss).toEqual((await alone.step(given, given.x)).loss);

    await expect(Trainer.create(await load(), new L1Loss(), new SGD(), { batch: LATENTS })).rejects.toThrow(
      /the student has the inputs x, scale: tell the shape of each, \{ inputs: \{ x: \[…\], scale: \[…\] \} \}/,
    );
    await expect(
      Trainer.create(await load(), new L1Loss(), new SGD(), { inputs: { x: LATENTS, time: [2] } }),
    ).rejects.toThrow("Trainer: inputs should name the student's inputs x, scale, got x, time");
  });
});

/** Noises its input and predicts the noise: what a loss needs beside the prediction are further outputs. */
class NoisePredictor extends Module<Tensor[]> {
  readonly conv = new Conv2d(4, 4, 3, { padding: 1 });
  override forward(latents: Tensor): Tensor[] {
    const { graph, shape } = latents;
    const [noise] = graph.emit('RandomNormal', [], { shape: ints(shape), dtype: int(1) }) as [Tensor];
    const [uniform] = graph.emit('RandomUniform', [], {
      shape: ints([shape[0] as number, 1, 1, 1]),
      dtype: int(1),
    }) as [Tensor];
    return [this.conv(latents.mul(uniform).add(noise.mul(uniform.subtractFrom(1)))), noise];
  }
}

/** MSE of a student's first output and its second. */
const noiseLoss = (): Objective => {
  const mse = new MSELoss();
  const description: LossDescription<Tensor> = {
    // biome-ignore-start lint/correctness/useYield: nothing to ask the engine
    *prediction({ output }) {
      return output;
    },
    *target({ student }) {
      return student?.outputs[1] as Tensor;
    },
    // biome-ignore-end lint/correctness/useYield: nothing to ask the engine
    compare: (prediction, noise, scene) => mse.description.compare(prediction, noise, scene),
  };
  return { description };
};

describe('a loss that reads no target', () => {
  it('takes steps without one; what the student draws is named by seed and step', async () => {
    const create = (seed: number): Promise<Trainer> => {
      manualSeed(1);
      return Trainer.create(new NoisePredictor(), noiseLoss(), new SGD({ lr: 0.1 }), {
        inputs: { latents: LATENTS },
        seed,
      });
    };
    const latents = tensor(1, LATENTS);
    await using trainer = await create(5);
    const losses = [(await trainer.step({ latents })).loss, (await trainer.step({ latents })).loss];
    await using again = await create(5);
    const first = (await again.step({ latents })).loss;
    await using resumed = await create(5);
    await resumed.restore(await again.checkpoint());
    expect([first, (await resumed.step({ latents })).loss]).toEqual(losses);
    await using other = await create(6);
    expect((await other.step({ latents })).loss).not.toBe(losses[0]);
    const { loss } = await trainer.evaluate({ latents });
    expect((await trainer.evaluate({ latents })).loss).toBe(loss);
    expect(await trainer.predict({ latents })).toEqual(await trainer.predict({ latents }));
  });

  it('does not spare the others theirs', async () => {
    await using trainer = await Trainer.create(conditioned(), new L1Loss(), new SGD(), { inputs });
    await expect(trainer.step(batchOf(1))).rejects.toThrow(
      'the loss compares with a target [2,4,8,8]: step(input, target)',
    );
  });
});

describe('inputs of a loss of unknown shape', () => {
  it('have the shape that the trainer is told', async () => {
    const model = await loadModel(
      modelBytes({
        inputs: [input('x', ['n', 4, 'h', 'w']), input('prompt', ['n', 'tokens', 1, 1])],
        nodes: [
          ['Mul', ['x', 'prompt'], ['scaled']],
          ['Relu', ['scaled'], ['y']],
        ],
      }),
      { input: 'x' },
    );
    const loss = new GlobalPercLoss(model, new GlobalPercConfig({ lossFunc: new MSELoss(), printData: false }));
    const student = new Conv2d(4, 4, 1);
    await using trainer = await Trainer.create(student, loss, new SGD({ lr: 0 }), {
      batch: LATENTS,
      lossInputs: { prompt: [2, 4, 1, 1] },
    });
    const [x, y] = [tensor(1, LATENTS), tensor(2, LATENTS)];
    const at = async (prompt: ReturnType<typeof tensor>) => (await trainer.step(x, y, { inputs: { prompt } })).loss;
    const ones = { dims: [2, 4, 1, 1], data: new Float32Array(8).fill(1) };
    const twos = { dims: [2, 4, 1, 1], data: new Float32Array(8).fill(2) };
    expect((await at(twos)) / (await at(ones))).toBeCloseTo(4, 4);
    await expect(at(tensor(1, [2, 1, 1, 1]))).rejects.toThrow(
      /'prompt' has shape \[2,1,1,1\], the trainer was made for \[2,4,1,1\]/,
    );
    const wrong = Trainer.create(student, loss, new SGD(), {
      batch: LATENTS,
      lossInputs: { prompts: [2, 4, 1, 1], prompt: [2, 4, 1, 1] },
    });
    await expect(wrong).rejects.toThrow(/there is no open input 'prompts'/);
    await loss.dispose();
  });
});

describe('a module between the student and the loss', () => {
  const decoder = (): Sequential => {
    manualSeed(9);
    return new Sequential(
      new Conv2d(4, 6, 3, { padding: 1 }),
      new BatchNorm2d(6),
      new ReLU(),
      new Dropout(0.5),
      new Conv2d(6, 3, 2, { stride: 2 }),
    );
  };
  const pictures = [2, 3, 4, 4];
  const student = (): Sequential => {
    manualSeed(4);
    return new Sequential(new Conv2d(4, 4, 3, { padding: 1 }), new BatchNorm2d(4));
  };
  const created: { dispose(): Promise<void> }[] = [];
  afterAll(() => Promise.all(created.map((each) => each.dispose())));

  it('is frozen and in evaluation mode; the loss is that of what it makes', async () => {
    const between = decoder();
    const before = between.stateDict();
    const file = await loadModel(await toOnnx(between, { input: LATENTS }), { trainable: true });
    await using alone = await Trainer.create(file, new L1Loss(), new SGD(), { batch: LATENTS });
    const picture = tensor(2, pictures);
    const latents = tensor(1, LATENTS);
    const expected = (await alone.evaluate(latents, picture)).loss;

    const loss = new MappedLoss(new L1Loss(), between);
    created.push(loss);
    expect(await loss.evaluate(latents, picture)).toBeCloseTo(expected, 6);
    const both = new MappedLoss(new L1Loss(), between, { target: between });
    created.push(both);
    expect(await both.evaluate(latents, latents)).toBe(0);

    await using trainer = await Trainer.create(student(), new WeightedLoss([[loss, 1]]), new SGD({ lr: 0.1 }), {
      batch: LATENTS,
    });
    const [first, second] = [await trainer.step(latents, picture), await trainer.step(latents, picture)];
    expect(second.loss).toBeLessThan(first.loss);
    expect(between.stateDict()).toEqual(before);
    await expect(trainer.step(latents, latents)).rejects.toThrow(
      /target has shape \[2,4,8,8\], the trainer was made for \[2,3,4,4\]/,
    );
  });

  it('gives the gradient of the whole', async () => {
    const between = decoder();
    const loss = new MappedLoss(new MSELoss(), between);
    created.push(loss);
    const [latents, picture] = [tensor(1, LATENTS), tensor(2, pictures)];
    const { grad } = await loss.valueAndGrad(latents, picture);
    const at = 37;
    const moved = (by: number) => ({
      ...latents,
      data: latents.data.map((value, i) => (i === at ? value + by : value)),
    });
    const difference = (await loss.evaluate(moved(0.02), picture)) - (await loss.evaluate(moved(-0.02), picture));
    expect(grad.data[at]).toBeCloseTo(difference / 0.04, 4);
  });

  it('may stand in a transform, also an imported one beside an imported student', async () => {
    const teacher = await loadModel(
      modelBytes({
        inputs: [input('x', ['n', 3, 'h', 'w'])],
        nodes: [
          ['Conv', ['x', 'conv.weight'], ['a']],
          ['Relu', ['a'], ['y']],
        ],
        initializers: [floatTensor('conv.weight', [2, 3, 1, 1], [1, -1, 2, 0.5, 1, -2])],
      }),
    );
    const between = decoder();
    const own = await loadModel(await toOnnx(student(), { input: LATENTS }), { trainable: true });
    const imported = await loadModel(await toOnnx(between, { input: LATENTS }), { trainable: true });
    await imported.prepare(LATENTS);
    const losses: number[] = [];
    for (const through of [(x: Tensor) => between(x), (x: Tensor) => imported(x)[0] as Tensor]) {
      const config = new GlobalPercConfig({ printData: false, transformNormalization: new Lambda(through) });
      const loss = new GlobalPercLoss(teacher, config);
      created.push(loss);
      await using trainer = await Trainer.create(own, loss, new SGD({ lr: 0 }), { batch: LATENTS });
      losses.push((await trainer.step(tensor(1, LATENTS), tensor(2, LATENTS))).loss);
      const [a, b] = [tensor(1, LATENTS), tensor(2, LATENTS)];
      expect(await loss.evaluate(a, b)).toBe(await loss.evaluate(a, b));
    }
    expect(losses[0]).toBeCloseTo(losses[1] as number, 5);
  });

  it('is no place for masks where it changes the size', async () => {
    const loss = new MappedLoss(new L1Loss(), decoder());
    created.push(loss);
    const mask = { dims: [1, 1, 8, 8], data: new Float32Array(64).fill(1) };
    await expect(loss.evaluate(tensor(1, LATENTS), tensor(2, pictures), { mask })).rejects.toThrow(
      /a mask weighs the prediction \[2,4,8,8\], the loss compares \[2,3,4,4\]/,
    );
  });
});

describe('a checkpoint', () => {
  const net = (seed: number): Sequential => {
    manualSeed(seed);
    return new Sequential(new Conv2d(4, 4, 1), new BatchNorm2d(4), new Conv2d(4, 4, 1));
  };
  const options = { batch: LATENTS };

  it('holds what trains and the buffers, and goes on beside the frozen weights that the student has', async () => {
    const student = net(1).freeze(/^0/);
    await using trainer = await Trainer.create(student, new L1Loss(), new AdamW(), options);
    await trainer.step(tensor(1, LATENTS), tensor(2, LATENTS));
    const files = await trainer.checkpoint();
    const keys = new TextDecoder('latin1').decode(files['model.safetensors']);
    expect(keys).not.toContain('0.weight"');
    for (const key of ['2.weight', '1.weight', '1.running_mean']) expect(keys).toContain(key);
    await using again = await Trainer.create(net(1).freeze(/^0/), new L1Loss(), new AdamW(), options);
    await again.restore(files);
    const next = [tensor(3, LATENTS), tensor(4, LATENTS)] as const;
    expect((await again.step(...next)).loss).toBe((await trainer.step(...next)).loss);
    await using all = await Trainer.create(net(1), new L1Loss(), new AdamW(), options);
    await expect(all.restore(files)).rejects.toThrow(/0\.weight/);
    await expect(again.restore(await all.checkpoint())).rejects.toThrow(/optimizer:.*0\.weight/);
  });

  it('of trained weights that are frozen here is refused, without optimiser state too', async () => {
    await using all = await Trainer.create(net(1), new L1Loss(), new SGD({ lr: 0.1 }), options);
    const before = await all.checkpoint();
    await all.step(tensor(1, LATENTS), tensor(2, LATENTS));
    await using some = await Trainer.create(net(1).freeze(/^0/), new L1Loss(), new SGD({ lr: 0.1 }), options);
    await some.restore(before);
    await expect(some.restore(await all.checkpoint())).rejects.toThrow(
      /0\.weight was trained and is frozen in this trainer/,
    );
  });
});
