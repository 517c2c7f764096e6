/** Distillation and balance between terms, against PyTorch: `fixtures/make_distillation.py`. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { formatSafetensors } from '../../src/data/safetensors.js';
import { numbersOf, type Tensor } from '../../src/graph/index.js';
import { aligned } from '../../src/loss/aligned.js';
import type { Balance } from '../../src/loss/balance.js';
import {
  AttentionTransferLoss,
  type Distance,
  GlobalPercConfig,
  KDLoss,
  L1Loss,
  MappedLoss,
  MSELoss,
  REPALoss,
  RKDAngleLoss,
  RKDDistanceLoss,
  SmoothL1Loss,
  TeacherStudentLoss,
  type TeacherStudentOptions,
  TiledLoss,
  WeightedLoss,
} from '../../src/loss/index.js';
import { MLPProjector } from '../../src/loss/projector.js';
import { loadModel } from '../../src/model/index.js';
import {
  type AnyModule,
  Conv2d,
  functional,
  GELU,
  Module,
  ModuleList,
  Sequential,
  type StateDict,
} from '../../src/nn/public.js';
import { createGraph } from '../../src/ops/index.js';
import { Adam, SGD } from '../../src/optim/index.js';
import { type Checkpoint, Trainer, toOnnx } from '../../src/train/index.js';
import { expectClose, feedOf, numbersIn, withSession } from '../support/run.js';
import { hostOf, readFixture, stateOf } from '../support/safetensors.js';

type Keys = Record<string, string>;

interface LossCase {
  kind: 'loss';
  name: string;
  loss: { type: string; temperature?: number };
  a: string;
  b: string;
  output: string;
  grad: string;
}

interface TrainingCase {
  kind: 'training';
  weights: number[];
  student: Keys;
  projectors: Keys;
  input: string;
  losses: number[];
  state: { student: Keys; projectors: Keys };
}

interface BalanceCase {
  kind: 'balance';
  balance: Balance;
  student: Keys;
  input: string;
  target: string;
  weights: number[];
  steps: { loss: number; weights: number[] }[];
  state: Keys;
  logVariances?: number[];
}

const fixture = readFixture<LossCase | TrainingCase | BalanceCase>('distillation.safetensors');
const host = (key: string) => hostOf(fixture.tensor(key));
const of = <Kind extends string>(kind: Kind) =>
  fixture.cases.filter((test): test is Extract<(typeof fixture.cases)[number], { kind: Kind }> => test.kind === kind);

const distanceOf = (json: LossCase['loss']): Distance => {
  const lossFunc = Object.keys(json).length === 1 ? json.type : json;
  return GlobalPercConfig.fromJSON({ lossFunc }).lossFunc as Distance;
};

describe('losses between student and teacher', () => {
  it.each(of('loss'))('$name', async ({ loss, a, b, output, grad }) => {
    const graph = createGraph();
    const input = graph.input('a', 'float32', fixture.tensor(a).shape);
    const target = graph.input('b', 'float32', fixture.tensor(b).shape);
    const value = distanceOf(loss).forward(input, target);
    graph.output('value', value);
    graph.output('grad', gradient(value, [input])[0] as Tensor);
    await withSession(graph, async (session) => {
      const feeds = { a: feedOf(fixture.tensor(a)), b: feedOf(fixture.tensor(b)) };
      const found = await session.run(feeds);
      expectClose(numbersIn(found.value), numbersOf(fixture.tensor(output)), 1e-5, 'value');
      expectClose(numbersIn(found.grad), numbersOf(fixture.tensor(grad)), 1e-4, 'gradient');
      // The slope along the gradient, by central differences.
      const slope = numbersIn(found.grad);
      const length = Math.hypot(...slope);
      const at = async (step: number): Promise<number> => {
        const data = numbersIn(feeds.a).map((x, i) => x + (step * (slope[i] as number)) / length);
        const moved = { ...feeds.a, data: Float32Array.from(data) };
        return numbersIn((await session.run({ ...feeds, a: moved })).value)[0] as number;
      };
      const h = 0.02;
      expect(((await at(h)) - (await at(-h))) / (2 * h) / length).toBeCloseTo(1, 2);
    });
  });

  it('is 0 between equal activations, and finite in gradient where samples are equal', async () => {
    for (const loss of [
      new RKDDistanceLoss(),
      new RKDAngleLoss(),
      new AttentionTransferLoss(),
      new KDLoss({ temperature: 2 }),
    ]) {
      const graph = createGraph();
      const x = graph.input('x', 'float32', [3, 2, 2, 2]);
      const value = loss.forward(x, x.detach());
      graph.output('value', value);
      graph.output('grad', gradient(value, [x])[0] as Tensor);
      const data = Float32Array.from({ length: 24 }, (_, i) => (i % 8) / 8);
      const found = await withSession(graph, ({ run }) => run({ x: { dtype: 'float32', dims: [3, 2, 2, 2], data } }));
      expect(numbersIn(found.value)[0]).toBeCloseTo(0, 6);
      for (const slope of numbersIn(found.grad)) expect(slope).toBeCloseTo(0, 5);
    }
  });

  it.each([
    [new RKDDistanceLoss(), [1, 4], /RKDDistanceLoss compares samples .* a batch of 2 or more, got shape \[1,4\]/],
    [new RKDAngleLoss(), [2, 4], /RKDAngleLoss .* a batch of 3 or more/],
    [new AttentionTransferLoss(), [2, 4], /compares places, which an activation \[2,4\] has none of/],
    [new KDLoss({ temperature: 1 }), [4], /KDLoss compares logits \[B, classes\], got shape \[4\]/],
  ] as const)('%o refuses [%s]', (loss, shape, message) => {
    const x = createGraph().input('x', 'float32', shape);
    expect(() => loss.forward(x, x)).toThrow(message);
  });

  it('a temperature must be told', () => {
    expect(() => new KDLoss({} as never)).toThrow(/KDLoss: 'temperature' is missing/);
    expect(() => new KDLoss({ temperature: 0 })).toThrow(/temperature/);
  });
});

const OBJECTIVE = 'objective.safetensors';
const teacherOf = () => loadModel(fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url)));
const config = new GlobalPercConfig({ startWeight: 1, endWeight: 2, printData: false });

class Student extends Module {
  readonly first = new Conv2d(3, 5, 3, { padding: 1 });
  readonly second = new Conv2d(5, 6, 3, { stride: 2, padding: 1 });
  override forward(x: Tensor): Tensor {
    return this.second(functional.gelu(this.first(x)));
  }
}

const numbersOfState = (state: StateDict): number[] =>
  Object.keys(state)
    .sort()
    .flatMap((key) => Array.from(state[key]?.data as Float32Array));

const bytes = (checkpoint: Checkpoint): string[] =>
  Object.entries(checkpoint).map(([name, file]) => `${name} ${Buffer.from(file).toString('base64')}`);

const expectState = (module: AnyModule, keys: Keys): void =>
  expectClose(numbersOfState(module.stateDict()), numbersOfState(stateOf(fixture, keys)), 1e-4, 'state');

describe('a student of other widths', () => {
  const [test] = of('training') as [TrainingCase];
  const input = host(test.input);

  it('trains with its projectors as in PyTorch, and goes on from a checkpoint bit by bit', async () => {
    const student = new Student();
    student.loadStateDict(stateOf(fixture, test.student));
    const teacher = await teacherOf();
    const options: TeacherStudentOptions[] = [
      { projector: 'linear' },
      { projector: (own, to) => new MLPProjector(own[1] as number, 7, to[1] as number, 4), lossFunc: new REPALoss() },
      { lossFunc: new AttentionTransferLoss() },
      { lossFunc: new RKDDistanceLoss() },
      { lossFunc: new RKDAngleLoss() },
    ];
    const pairs = [
      ['first', 'features.0'],
      ['second', 'features.5'],
    ] as const;
    const terms = options.map((own) => new TeacherStudentLoss(teacher, student, config, { pairs, ...own }));
    const loss = new WeightedLoss(terms.map((term, i) => [term, test.weights[i] as number]));
    const optimizer = new SGD({ lr: 0.05, momentum: 0.9 });
    await using trainer = await Trainer.create(student, loss, optimizer, { batch: input.dims });
    expect(terms.map(({ projectors }) => projectors?.length)).toEqual([2, 2, undefined, undefined, undefined]);
    const start = await trainer.checkpoint();
    // What the objective owns is a file of its own.
    expect(Object.keys(start)).toEqual(['model.safetensors', OBJECTIVE, 'optimizer.safetensors', 'trainer.json']);
    await trainer.restore({ ...start, [OBJECTIVE]: formatSafetensors(stateOf(fixture, test.projectors)) });
    let half: Checkpoint = start;
    for (const [i, expected] of test.losses.entries()) {
      const { loss: value } = await trainer.step(input);
      expect(Math.abs(value / expected - 1), `step ${i}`).toBeLessThan(1e-4);
      if (i === 2) half = await trainer.checkpoint();
    }
    const end = await trainer.checkpoint();
    expectState(student, test.state.student);
    expectState(new ModuleList(terms.flatMap(({ projectors = [] }) => projectors)), test.state.projectors);
    await trainer.restore(half);
    for (let i = 3; i < test.losses.length; i += 1) await trainer.step(input);
    expect(bytes(await trainer.checkpoint())).toEqual(bytes(end));
    // Evaluated, the student and its projectors are as they are.
    const { loss: before } = await trainer.evaluate(input);
    expect((await trainer.step(input)).loss).toBeCloseTo(before, 4);
    // A projector is a module as any other; what it is given is told.
    const projector = terms[0]?.projectors?.at(0) as Module;
    await expect(toOnnx(projector)).rejects.toThrow(/tell the shape of the input/);
    expect((await toOnnx(projector, { input: [1, 5, 4, 4] })).length).toBeGreaterThan(0);
    const { [OBJECTIVE]: _own, ...rest } = end;
    await expect(trainer.restore(rest)).rejects.toThrow(/has no objective.safetensors/);
  });

  it('without a projector is refused, with what would help', async () => {
    const student = new Student();
    const loss = new TeacherStudentLoss(await teacherOf(), student, config, { pairs: [['first', 'features.0']] });
    await expect(Trainer.create(student, loss, new SGD(), { batch: input.dims })).rejects.toThrow(
      /student first gives \[3,5,8,10\], teacher features.0 \[3,8,8,10\].*\{ projector: 'linear' \}/,
    );
  });
});

describe('places of two networks', () => {
  const graph = createGraph();
  const image = graph.input('image', 'float32', [2, 3, 16, 24]);
  const [map] = graph.emit('Resize', [image, undefined, undefined, graph.ints([2, 3, 4, 6])], {}) as [Tensor];
  let count = 0;
  const of = (...shape: number[]) => {
    count += 1;
    return { activation: graph.input(`x${count}`, 'float32', shape), site: { path: 'x' } };
  };
  const shapes = (student: ReturnType<typeof of>, teacher: ReturnType<typeof of>) =>
    aligned(student, teacher, image).map(({ shape }) => shape);

  it.each([
    ['tokens of a map', of(2, 5, 4, 6), of(2, 25, 7), [2, 5, 4, 6], [2, 7, 4, 6]],
    ['a map of tokens', of(2, 25, 7), of(2, 5, 4, 6), [2, 24, 7], [2, 24, 5]],
    ['tokens with other registers', of(2, 25, 7), of(2, 29, 5), [2, 24, 7], [2, 24, 5]],
    ['tokens with the same', of(2, 25, 7), of(2, 25, 5), [2, 25, 7], [2, 25, 5]],
    ['maps', of(2, 5, 4, 6), of(2, 9, 4, 6), [2, 5, 4, 6], [2, 9, 4, 6]],
    ['vectors', of(2, 5), of(2, 9), [2, 5], [2, 9]],
  ])('%s', (_, student, teacher, own, theirs) => {
    expect(map.shape).toEqual([2, 3, 4, 6]);
    expect(shapes(student, teacher)).toEqual([own, theirs]);
  });

  it('that differ are refused', () => {
    expect(() => shapes(of(2, 5, 4, 6), of(2, 9, 2, 3))).toThrow(/as many samples and places/);
    expect(() => shapes(of(2, 5, 4, 6), of(2, 50, 7))).toThrow(/as many samples and places/);
  });
});

describe('balance between terms', () => {
  const studentOf = (test: BalanceCase): Sequential => {
    const student = new Sequential(
      new Conv2d(3, 4, 3, { padding: 1 }),
      new GELU(),
      new Conv2d(4, 3, 3, { padding: 1 }),
    );
    student.loadStateDict(stateOf(fixture, test.student));
    return student;
  };
  const lossOf = ({ weights: [a, b, c], balance }: BalanceCase): WeightedLoss =>
    new WeightedLoss(
      [
        [new L1Loss(), a as number],
        [new MSELoss(), b as number],
        [new SmoothL1Loss(), c as number],
      ],
      { balance },
    );

  it.each(of('balance'))('$balance', async (test) => {
    const student = studentOf(test);
    const loss = lossOf(test);
    const [x, y] = [host(test.input), host(test.target)];
    await using trainer = await Trainer.create(student, loss, new Adam({ lr: 1e-2 }), { batch: x.dims });
    const fixed = await new WeightedLoss(loss.terms).evaluate(await trainer.predict(x), y);
    // Evaluated, and by itself, it has the weights that it was given.
    expect((await trainer.evaluate(x, y)).loss).toBeCloseTo(fixed, 5);
    for (const [i, expected] of test.steps.entries()) {
      const { loss: value, logged } = await trainer.step(x, y);
      expect(Math.abs(value / expected.loss - 1), `step ${i}`).toBeLessThan(1e-4);
      expect(Object.keys(logged)).toEqual(['weight/0 L1Loss', 'weight/1 MSELoss', 'weight/2 SmoothL1Loss']);
      expectClose(Object.values(logged), expected.weights, 1e-4, `weights of step ${i}`);
    }
    const checkpoint = await trainer.checkpoint();
    expectState(student, test.state);
    await using other = await Trainer.create(studentOf(test), lossOf(test), new Adam({ lr: 1e-2 }), { batch: x.dims });
    await other.restore(checkpoint);
    expect(bytes(await other.checkpoint())).toEqual(bytes(checkpoint));
    expect(await other.step(x, y)).toEqual(await trainer.step(x, y));
    if (test.balance === 'adaptive') return;
    await using plain = await Trainer.create(studentOf(test), new L1Loss(), new Adam({ lr: 1e-2 }), { batch: x.dims });
    await expect(plain.restore(checkpoint)).rejects.toThrow(/another model or optimiser.*objective:balance/);
  });

  it('holds in what is around a sum', async () => {
    const [, test] = of('balance') as [BalanceCase, BalanceCase];
    const [x, y] = [host(test.input), host(test.target)];
    const around = new TiledLoss(new MappedLoss(lossOf(test), (image) => image.mul(2)), { tile: 4, overlap: 2 });
    await using trainer = await Trainer.create(studentOf(test), around, new Adam({ lr: 1e-2 }), { batch: x.dims });
    await trainer.step(x, y);
    const { logged } = await trainer.step(x, y);
    // Learned: no longer half of what was given.
    expect(logged['weight/2 SmoothL1Loss']).not.toBeCloseTo(1, 3);
  });

  it('adaptive needs terms that depend on the last layer', async () => {
    const student = new Student();
    const early = new TeacherStudentLoss(await teacherOf(), student, config, {
      pairs: [['first', 'features.0']],
      projector: 'linear',
    });
    const loss = new WeightedLoss(
      [
        [new L1Loss(), 1],
        [early, 1],
      ],
      { balance: 'adaptive' },
    );
    await expect(Trainer.create(student, loss, new SGD(), { batch: [3, 3, 8, 10] })).rejects.toThrow(
      /a term does not depend on the last layer of the student/,
    );
  });

  it('a name that is none is refused', () => {
    expect(() => new WeightedLoss([[new L1Loss(), 1]], { balance: 'gradnorm' as never })).toThrow(/balance should be/);
  });
});
