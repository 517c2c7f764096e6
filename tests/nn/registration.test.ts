/** Only what is a field of a module trains and is saved: what a module uses besides is refused, or is frozen. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { GlobalPercError, type Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss, MSELoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import * as nn from '../../src/nn.js';
import { createGraph } from '../../src/ops/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer, toOnnx } from '../../src/train/index.js';
import { Lambda } from '../../src/transforms/index.js';

class InArray extends nn.Module {
  readonly layers = [new nn.Linear(3, 3)];
  override forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => layer(y), x);
  }
}

class Private extends nn.Module {
  readonly #layer = new nn.Linear(3, 3);
  readonly seen = new nn.Linear(3, 3);
  override forward(x: Tensor): Tensor {
    return this.#layer(this.seen(x));
  }
}

const closedOver = new nn.Linear(3, 3);
class InClosure extends nn.Module {
  readonly seen = new nn.Linear(3, 3);
  override forward(x: Tensor): Tensor {
    return closedOver(this.seen(x));
  }
}

class ParameterInArray extends nn.Module {
  readonly weights = [new nn.Parameter([3])];
  override forward(x: Tensor): Tensor {
    return x.add(this.read(this.weights[0] as nn.Parameter, x));
  }
}

const unregistered = [
  ['in an array', () => new InArray(), /InArray uses a Linear that is not among its fields.*nn\.ModuleList/],
  ['in a #private field', () => new Private(), /Private uses a Linear that is not among its fields.*nn\.ModuleList/],
  ['in a closure', () => new InClosure(), /InClosure uses a Linear that is not among its fields.*nn\.ModuleList/],
  ['a parameter in an array', () => new ParameterInArray(), /ParameterInArray uses a Parameter .*nn\.ParameterList/],
  ['below another module', () => new nn.Sequential(new nn.ReLU(), new InArray()), /InArray uses a Linear .*ModuleList/],
] as const;

const trainer = (student: nn.Module): Promise<Trainer> =>
  Trainer.create(student, new MSELoss(), new SGD({ lr: 0.1 }), { batch: [2, 3] });

describe('a module or parameter that is no field', () => {
  it.each(unregistered)('%s is refused by toOnnx', async (_, make, message) => {
    const error = await toOnnx(make(), { input: [1, 3] }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).toMatch(message);
  });

  it.each(unregistered)('%s is refused by Trainer.create', async (_, make, message) => {
    const error = await trainer(make()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).toMatch(message);
  });
});

describe('what is registered', () => {
  it('lists and dictionaries of parameters, which train', async () => {
    class Lists extends nn.Module {
      readonly scales = new nn.ParameterList([new nn.Parameter([3], [1, 2, 3]), new nn.Parameter([3], [1, 1, 1])]);
      readonly shifts = new nn.ParameterDict({ shift: new nn.Parameter([3]) });
      override forward(x: Tensor): Tensor {
        const scaled = [...this.scales].reduce((y, scale) => y.mul(this.read(scale, y)), x);
        return scaled.add(this.read(this.shifts.get('shift'), x));
      }
    }
    const student = new Lists();
    expect(Object.keys(student.stateDict())).toEqual(['scales.0', 'scales.1', 'shifts.shift']);
    await using training = await trainer(student);
    const ones = { dims: [2, 3], data: new Float32Array(6).fill(1) };
    await training.step(ones, { dims: [2, 3], data: new Float32Array(6) });
    await training.synchronize();
    // ∂/∂scale₀ = 2·x²·scale₀·scale₁²/n over a batch of 2 rows of 3: 2/3·(1, 2, 3).
    expect(Array.from(student.scales.at(0).data)).toEqual(
      [1, 2, 3].map((scale) => expect.closeTo(scale - (0.1 * 2 * scale) / 3, 5)),
    );
    expect(student.shifts.get('shift').data[0]).toBeCloseTo(-0.2 / 3, 5);
  });

  it('a layer that two parents use, under each of its paths and once in training', async () => {
    const shared = new nn.Linear(3, 3, { bias: false });
    class Twice extends nn.Module {
      readonly first = new nn.Sequential(shared);
      readonly second = new nn.Sequential(shared);
      override forward(x: Tensor): Tensor {
        return this.second(this.first(x));
      }
    }
    const student = new Twice();
    expect(Object.keys(student.stateDict())).toEqual(['first.0.weight', 'second.0.weight']);
    expect(student.parameters()).toEqual([shared.weight]);
    await using training = await trainer(student);
    const { loss } = await training.step(
      { dims: [2, 3], data: new Float32Array(6).fill(1) },
      { dims: [2, 3], data: new Float32Array(6) },
    );
    expect(loss).toBeGreaterThan(0);
  });

  it('a field that is set after the module was made', () => {
    const module = new nn.Sequential(new nn.Linear(2, 2)) as nn.Sequential & { extra?: nn.Linear };
    module.extra = new nn.Linear(2, 1);
    expect(Object.keys(module.stateDict())).toEqual(['0.weight', '0.bias', 'extra.weight', 'extra.bias']);
  });

  it('fields of any name that functions have', () => {
    class Named extends nn.Module {
      override readonly name = new nn.Linear(2, 2);
      override readonly length = 7;
      override readonly call = new nn.ReLU();
      override forward(x: Tensor): Tensor {
        return this.call(this.name(x));
      }
    }
    const module = new Named();
    expect(module.length).toBe(7);
    expect(Object.keys(module.stateDict())).toEqual(['name.weight', 'name.bias']);
    expect(module.namedChildren().map(([name]) => name)).toEqual(['name', 'call']);
    expect(new nn.Linear(1, 1)).not.toHaveProperty('name');
  });
});

it('a module beside the student, in a transform, is frozen: gradients pass it, its weights stay', async () => {
  const encoder = new nn.Conv2d(3, 3, 1);
  const teacher = new nn.Sequential(new nn.Conv2d(3, 4, 3), new nn.ReLU());
  const config = new GlobalPercConfig({
    transformNormalization: new Lambda((image) => encoder(image)),
    lossFunc: new L1Loss(),
    printData: false,
  });
  const loss = new GlobalPercLoss(await loadModel(await toOnnx(teacher, { input: [1, 3, 6, 6] })), config);
  const student = new nn.Conv2d(3, 3, 1);
  const [before, frozen] = [student.stateDict(), encoder.stateDict()];
  await using training = await Trainer.create(student, loss, new SGD({ lr: 0.1 }), { batch: [1, 3, 6, 6] });
  const image = (seed: number) => ({
    dims: [1, 3, 6, 6],
    data: Float32Array.from({ length: 108 }, (_, i) => (Math.sin(seed + i) + 1) / 2),
  });
  const losses: number[] = [];
  for (let step = 0; step < 5; step += 1) losses.push((await training.step(image(1), image(2))).loss);
  await training.synchronize();
  expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  expect(student.stateDict().weight?.data).not.toEqual(before.weight?.data);
  expect(encoder.stateDict()).toEqual(frozen);
});

describe('a module called with what is no symbolic tensor', () => {
  const net = new nn.Linear(2, 2) as unknown as (...inputs: unknown[]) => unknown;
  it.each([
    ['nothing', [], 'undefined'],
    ['an array', [[1, 2]], 'an array'],
    ['typed elements', [new Float32Array(2)], 'an object of class Float32Array'],
    ['a tensor of the host', [{ dims: [1, 2], data: new Float32Array(2) }], 'an object of class Object'],
  ])('%s: one line that says what to do', (_, inputs, got) => {
    expect(() => net(...inputs)).toThrow(GlobalPercError);
    expect(() => net(...inputs)).toThrow(`got ${got}; for data, use trainer.predict(input), or loadModel(`);
  });

  it('behind one that is', () => {
    const x = createGraph().input('x', 'float32', [3, 2, 4]);
    const attention = new nn.MultiheadAttention(4, 2) as unknown as (...inputs: unknown[]) => unknown;
    expect(() => attention(x, x, [1, 2])).toThrow(/MultiheadAttention: .* got an array/);
  });
});

describe('printed', () => {
  const net = new nn.Sequential(
    new nn.Conv2d(3, 4, [3, 2], { padding: 1 }),
    new nn.Sequential(new nn.Dropout(0.1), new nn.ReLU()),
    new nn.Softplus({ beta: 2 }),
  );
  const lines = [
    'Sequential(',
    '  (0): Conv2d(inChannels=3, outChannels=4, kernelSize=[3, 2], stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=1, paddingMode=zeros)',
    '  (1): Sequential(',
    '    (0): Dropout(p=0.1)',
    '    (1): ReLU()',
    '  )',
    '  (2): Softplus(beta=2)',
    ')',
  ];

  it('a module is its class, its settings and what is below it', () => {
    expect(`${net}`).toBe(lines.join('\n'));
    expect(inspect(net)).toBe(lines.join('\n'));
    expect(inspect({ net: new nn.ReLU() })).toBe('{ net: ReLU() }');
  });

  it('shows plain values of own modules, and neither weights nor functions', () => {
    class Own extends nn.Module {
      readonly depth = 2;
      readonly mode = 'fast';
      readonly scale = new nn.Parameter([2]);
      readonly act = (x: Tensor): Tensor => x;
      readonly big = new Float32Array(3);
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(String(new Own())).toBe('Own(depth=2, mode=fast)');
  });
});
