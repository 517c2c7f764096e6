/** Optimisers and clipping one step at a time, with the numbers of PyTorch's formulas. */
import { describe, expect, it } from 'vitest';
import { constantOf, type Tensor } from '../../src/graph/index.js';
import { MSELoss } from '../../src/loss/index.js';
import { Linear } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { clipGradNorm, clipGradValue, totalNorm } from '../../src/optim/clip.js';
import {
  Adafactor,
  Adam,
  AdamW,
  fromJSON,
  Lion,
  lrScheduler,
  NAdam,
  Optimizer,
  RAdam,
  RMSprop,
  SGD,
  type Updated,
} from '../../src/optim/index.js';
import { Trainer, type TrainerOptions } from '../../src/train/index.js';
import { runGraph } from '../support/run.js';

describe('defaults are those of PyTorch', () => {
  it.each([
    [new SGD(), { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false }],
    [new Adam(), { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 }],
    [new AdamW(), { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 1e-2 }],
    [new RMSprop(), { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false }],
    [new RAdam(), { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, decoupledWeightDecay: false }],
    [new NAdam(), { ...new RAdam().options, lr: 2e-3, momentumDecay: 4e-3 }],
    [new Adafactor(), { lr: 1e-2, beta2Decay: -0.8, eps: [2 ** -23, 1e-3], d: 1, weightDecay: 0 }],
    [new Lion(), { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 }],
    [new AdamW({ lr: undefined, weightDecay: undefined } as object), new AdamW().options],
  ] as [Optimizer, object][])('%#', (optimizer, options) => {
    expect(optimizer.options).toEqual(options);
    expect(optimizer.groups).toEqual([]);
  });
});

it.each([
  ['sgd', SGD],
  ['adam', Adam],
  ['adamW', AdamW],
  ['nAdam', NAdam],
  ['rAdam', RAdam],
  ['adafactor', Adafactor],
  ['lion', Lion],
  ['rmsProp', RMSprop],
])('%s from JSON', (name, Class) => {
  const read = fromJSON({ [name]: { lr: 0.5, groups: [{ parameters: 'bias$', weightDecay: 0.25 }] } });
  expect(read).toBeInstanceOf(Class);
  expect(read.className).toBe(Class.className);
  expect(read.options).toEqual({ ...new Class().options, lr: 0.5 });
  expect(read.groups[0]).toMatchObject({ parameters: /bias$/, weightDecay: 0.25 });
});

it('Adafactor keeps the last two dimensions of a kernel apart', () => {
  expect(new Adafactor().stateShapes([8, 3, 5, 7])).toEqual({ row_var: [8, 3, 5, 1], col_var: [8, 3, 1, 7] });
});

/** A user's own optimiser. */
class Own extends Optimizer {
  readonly stateNames = [];
  constructor(options = { lr: 1, weightDecay: 0 }, groups = [{ parameters: /a/ }]) {
    super(options, { groups });
  }
  override update({ parameter }: { parameter: Tensor }): Updated {
    return { parameter, state: {} };
  }
}

describe('refusals', () => {
  const { LinearLR, StepLR, SequentialLR } = lrScheduler;
  const one = new LinearLR();
  const two = new StepLR({ stepSize: 3 });
  const nesterov = 'SGD: Nesterov needs a momentum and no dampening';
  it.each([
    ['Nesterov alone', () => new SGD({ nesterov: true }), nesterov],
    ['Nesterov damped', () => new SGD({ nesterov: true, momentum: 0.9, dampening: 0.1 }), nesterov],
    ['Nesterov of a group', () => new SGD({ groups: [{ parameters: /a/, nesterov: true }] }), nesterov],
    ['too few schedules', () => new SequentialLR([one], [3]), '1 schedulers need 0 ascending milestones, got [3]'],
    ['too many', () => new SequentialLR([one, two, one], [3]), '3 schedulers need 2 ascending milestones, got [3]'],
    ['falling', () => new SequentialLR([one, two, one], [3, 2]), '3 schedulers need 2 ascending milestones, got [3,2]'],
    ['twice the same', () => new SequentialLR([one, two, one], [3, 3]), 'need 2 ascending milestones, got [3,3]'],
    ["a rate of a user's optimiser", () => new Own({ lr: -1, weightDecay: 0 }), 'Own: lr'],
    ["a decay of a user's optimiser", () => new Own({ lr: 1, weightDecay: Number.NaN }), 'Own: weightDecay'],
    ["a group of a user's optimiser", () => new Own(undefined, [{} as never]), 'Own: the parameters of a group'],
  ])('%s', (_name, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    );
  });

  it('options that fit are taken', () => {
    expect(() => new SGD({ nesterov: true, momentum: 0.9, groups: [{ parameters: /a/, lr: 1 }] })).not.toThrow();
    expect(() => new SGD({ dampening: 0.1 })).not.toThrow();
    expect(() => new SequentialLR([one, two, one], [3, 4])).not.toThrow();
  });
});

it('the name of a class is its className, which is not inherited, or else its own', () => {
  class Named extends SGD {
    static override readonly className = 'Lion';
  }
  class Inherited extends SGD {}
  const optimizers = [new SGD(), new AdamW(), new Own(), new Named(), new Inherited()];
  expect(optimizers.map(({ className }) => className)).toEqual(['SGD', 'AdamW', 'Own', 'Lion', 'Inherited']);
});

/** What an optimiser makes of a parameter from its gradients, one per step, all [2]. */
async function stepped(
  optimizer: Optimizer,
  parameter: readonly number[],
  gradients: readonly (readonly number[])[],
  path = 'weight',
): Promise<number[]> {
  const graph = createGraph();
  const vector = (values: readonly number[]): Tensor => graph.constant(constantOf('float32', [2], values));
  let value = graph.input('parameter', 'float32', [2]);
  let state = Object.fromEntries(optimizer.stateNames.map((name) => [name, vector([0, 0])]));
  for (const [i, gradient] of gradients.entries()) {
    const taken = graph.scalar(i, 'float64');
    const step = graph.scalar(i + 1, 'float64');
    const chosen = optimizer.optionsFor(path, taken);
    const updated = optimizer.update({ parameter: value, gradient: vector(gradient), state, step, ...chosen });
    value = updated.parameter;
    state = { ...updated.state };
  }
  const { value: result } = await runGraph(graph, { value }, { parameter: constantOf('float32', [2], parameter) });
  return result as number[];
}

const expectNear = (actual: readonly number[], expected: readonly number[], tolerance = 2e-6): void => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs((actual[i] as number) - value) / Math.abs(value), `${actual}`).toBeLessThan(tolerance);
  }
};

describe('steps', () => {
  it.each([
    // θ starts at 0, so that the step is seen with all its digits: −lr·g/(|g| + ε), however far betas are from each other.
    ['the first of Adam is lr long', new Adam({ lr: 0.01 }), [0, 0], [[3, -1e-3]], [-0.01, 0.01 / 1.00001]],
    ['the first of AdamW', new AdamW({ lr: 0.01, weightDecay: 0.1 }), [0, 0], [[3, -1e-3]], [-0.01, 0.01 / 1.00001]],
    [
      'AdamW decays the parameter, not the gradient',
      new AdamW({ lr: 0.5, weightDecay: 0.1 }),
      [8, -4],
      [[1, 1]],
      [7.1, -4.3],
    ],
    ['Adam decays the gradient', new Adam({ lr: 0.5, weightDecay: 0.1 }), [8, -4], [[-1.6, 0.8]], [8.5, -4.5]],
    ['SGD', new SGD({ lr: 0.5, weightDecay: 0.25 }), [8, -4], [[1, 1]], [6.5, -4]],
    // b: 1, then 0.5·1 + 0.75·1.
    [
      'dampening begins after the first',
      new SGD({ lr: 1, momentum: 0.5, dampening: 0.25 }),
      [8, 8],
      [
        [1, 2],
        [1, 2],
      ],
      [5.75, 3.5],
    ],
    // b: 1, 1.5; steps 1 + 0.5·1 and 1 + 0.5·1.5.
    [
      'Nesterov looks ahead',
      new SGD({ lr: 1, momentum: 0.5, nesterov: true }),
      [8, 8],
      [
        [1, 2],
        [1, 2],
      ],
      [4.75, 1.5],
    ],
  ] as [string, Optimizer, number[], number[][], number[]][])(
    '%s',
    async (_name, optimizer, start, gradients, expected) => {
      expectNear(await stepped(optimizer, start, gradients), expected);
    },
  );

  it('ε stands beside the root of the corrected square', async () => {
    // m̂ = g, √v̂ = |g|: −1·1e-3/(1e-3 + 3e-3)
    expectNear(await stepped(new Adam({ lr: 1, eps: 3e-3 }), [0, 0], [[1e-3, -1e-3]]), [-0.25, 0.25]);
  });

  it('means are corrected for each step', async () => {
    // m̂ = (0.9·0.1·1 + 0.1·3)/(1 − 0.81), v̂ = (0.99·0.01·1 + 0.01·9)/(1 − 0.9801)
    const mean = 0.39 / 0.19;
    const square = 0.0999 / 0.0199;
    const adam = new Adam({ lr: 1, betas: [0.9, 0.99], eps: 0 });
    expectNear(
      await stepped(
        adam,
        [0, 0],
        [
          [1, -1],
          [3, -3],
        ],
      ),
      [-1 - mean / Math.sqrt(square), 1 + mean / Math.sqrt(square)],
    );
  });
});

it.each([
  ['SGD', { weightDecay: 0 }, { weightDecay: 0.1 }, SGD],
  ['SGD', { momentum: 0.9, dampening: 0 }, { momentum: 0.9, dampening: 0.1 }, SGD],
  ['Adam', { weightDecay: 0 }, { weightDecay: 0.1 }, Adam],
  ['AdamW', { weightDecay: 0 }, { weightDecay: 0.1 }, AdamW],
])('%s %j costs no operation that %j needs', (_name, without, having, Class) => {
  const [least, most] = [without, having].map((options) => {
    const graph = createGraph();
    const [parameter, gradient] = [graph.input('parameter', 'float32', [2]), graph.input('gradient', 'float32', [2])];
    const optimizer: Optimizer = new Class(options);
    const state = Object.fromEntries(optimizer.stateNames.map((name) => [name, graph.input(name, 'float32', [2])]));
    const step = graph.input('step', 'float64', []);
    optimizer.update({ parameter, gradient, state, step, ...optimizer.optionsFor('a', step) });
    return graph.nodes.length;
  }) as [number, number];
  expect(least).toBeLessThan(most);
});

describe('groups', () => {
  const groups = [
    { parameters: /^head/g, lr: 0.5 },
    { parameters: /bias$/, momentum: 0.5 },
  ];

  it('the first that matches holds alone, whatever flags its pattern has', async () => {
    const optimizer = new SGD({ lr: 1, groups });
    for (const path of ['head.bias', 'head.bias', 'head.weight']) {
      expect(
        await stepped(
          optimizer,
          [8, 8],
          [
            [1, 2],
            [1, 2],
          ],
          path,
        ),
        path,
      ).toEqual([7, 6]);
    }
    expect(
      await stepped(
        optimizer,
        [8, 8],
        [
          [1, 2],
          [1, 2],
        ],
        'body.bias',
      ),
    ).toEqual([5.5, 3]);
    expect(
      await stepped(
        optimizer,
        [8, 8],
        [
          [1, 2],
          [1, 2],
        ],
        'body.weight',
      ),
    ).toEqual([6, 4]);
  });

  it('a parameter without momentum is not damped, though others have a momentum', async () => {
    const optimizer = new SGD({ lr: 1, dampening: 0.5, groups });
    const gradients = [
      [1, 2],
      [1, 2],
    ];
    expect(await stepped(optimizer, [8, 8], gradients, 'body.weight')).toEqual([6, 4]);
    // b: 1, then 0.5·1 + 0.5·1.
    expect(await stepped(optimizer, [8, 8], gradients, 'body.bias')).toEqual([6, 4]);
  });

  it('state is kept where a group alone has momentum', () => {
    expect(new SGD({ groups }).stateNames).toEqual(['momentum_buffer']);
    expect(new SGD({ momentum: 0.9 }).stateNames).toEqual(['momentum_buffer']);
    expect(new SGD({ groups: [{ parameters: /a/, lr: 1 }] }).stateNames).toEqual([]);
  });

  it('each must match some parameter', () => {
    const optimizer = new SGD({ groups });
    expect(() => optimizer.checkGroups(['head.weight', 'body.weight'])).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        message: 'SGD: the group /bias$/ matches no trainable parameter; there are head.weight, body.weight',
      }),
    );
    expect(() => optimizer.checkGroups(['head.weight', 'body.bias'])).not.toThrow();
  });
});

describe('clipping', () => {
  async function clipped(gradients: readonly number[], clip: (list: readonly Tensor[]) => readonly Tensor[]) {
    const graph = createGraph();
    const input = graph.input('gradients', 'float32', [gradients.length]);
    const outputs = { norm: totalNorm([input]), first: clip([input])[0] as Tensor };
    return runGraph(graph, outputs, { gradients: constantOf('float32', [gradients.length], gradients) });
  }
  const byNorm = (limit: number) => (list: readonly Tensor[]) => clipGradNorm(list, totalNorm(list), limit);

  it('by norm: 10⁻⁶ is added to it, as in PyTorch', async () => {
    expectNear((await clipped([3, -4], byNorm(1))).first as number[], [0.6 / (1 + 2e-7), -0.8 / (1 + 2e-7)]);
    expectNear((await clipped([1e-6, 0], byNorm(1e-6))).first?.slice(0, 1) as number[], [5e-7]);
    expect((await clipped([3, -4], byNorm(6))).first).toEqual([3, -4]);
    expect((await clipped([0, 0], byNorm(1))).first).toEqual([0, 0]);
  });

  it('by value: on both sides, the limits themselves allowed', async () => {
    const { first } = await clipped([3, -4, 0.5, -0.25, 2, -2], (list) => clipGradValue(list, 2));
    expect(first).toEqual([2, -2, 0.5, -0.25, 2, -2]);
  });

  it('the norm is over all gradients together', async () => {
    const graph = createGraph();
    const [a, b] = [graph.input('a', 'float32', [1]), graph.input('b', 'float32', [2, 1])];
    const data = { a: constantOf('float32', [1], [2]), b: constantOf('float32', [2, 1], [3, 6]) };
    expect((await runGraph(graph, { norm: totalNorm([a, b]) }, data)).norm).toEqual([7]);
  });

  it('of both limits the norm comes first', async () => {
    // The gradient of (w·x − 1)² by w is 2·(1.5 − 1)·x = [3, 4].
    const student = new Linear(2, 1, { bias: false });
    student.weight.data = Float32Array.from([0.18, 0.24]);
    const options: TrainerOptions = { batch: [1, 2], clipGradNorm: 1, clipGradValue: 0.7 };
    await using trainer = await Trainer.create(student, new MSELoss(), new SGD({ lr: 1 }), options);
    const { gradNorm } = await trainer.step(
      { dims: [1, 2], data: Float32Array.from([3, 4]) },
      { dims: [1, 1], data: Float32Array.from([1]) },
    );
    await trainer.synchronize();
    expect(gradNorm).toBeCloseTo(5, 5);
    // [0.6, 0.8] after the norm, [0.6, 0.7] after the values; in the other order it would be [0.7, 0.7].
    expectNear(Array.from(student.weight.data), [0.18 - 0.6, 0.24 - 0.7], 1e-5);
  });
});
