/** What every module can do: state dicts, freezing, traced calls; and the containers. */
import { describe, expect, it } from 'vitest';
import { GlobalPercError, type Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { UNet } from '../../src/zoo/index.js';

class Block extends nn.Module {
  static readonly className = 'Block';
  readonly conv = new nn.Conv2d(4, 4, 3, { padding: 1, bias: false });
  readonly norm = new nn.BatchNorm2d(4);
  readonly relu = new nn.ReLU();
  override forward(x: Tensor): Tensor {
    return x.add(this.relu(this.norm(this.conv(x))));
  }
}

const model = (): nn.Sequential => new nn.Sequential(new nn.Conv2d(3, 4, 1), new Block(), new Block());

const image = (shape: readonly number[]): Tensor => createGraph().input('x', 'float32', shape);

describe('state dicts', () => {
  it("have PyTorch's keys in PyTorch's order", () => {
    expect(Object.keys(new nn.Sequential(new Block()).stateDict())).toEqual([
      '0.conv.weight',
      '0.norm.weight',
      '0.norm.bias',
      '0.norm.running_mean',
      '0.norm.running_var',
      '0.norm.num_batches_tracked',
    ]);
    expect(Object.keys(new nn.MultiheadAttention(4, 2, { kdim: 3 }).stateDict())).toEqual([
      'q_proj_weight',
      'k_proj_weight',
      'v_proj_weight',
      'in_proj_bias',
      'out_proj.weight',
      'out_proj.bias',
    ]);
  });

  it('go from one model to another, as copies', () => {
    const [source, target] = [model(), model()];
    const state = source.stateDict();
    expect(target.loadStateDict(state).stateDict()).toEqual(state);
    const [weight] = target.parameters() as [nn.Parameter];
    weight.data[0] = 99;
    expect(source.stateDict()).toEqual(state);
    expect(state['0.weight']?.data[0]).not.toBe(99);
  });

  it('that do not fit are refused whole, with all that is wrong', () => {
    const target = model();
    const before = target.stateDict();
    const { '0.bias': _bias, '1.norm.running_mean': _mean, ...rest } = model().stateDict();
    const wrong = { ...rest, extra: rest['0.weight'], '0.weight': rest['1.conv.weight'] };
    const load = (): unknown => target.loadStateDict(wrong as nn.StateDict);
    expect(load).toThrow(GlobalPercError);
    expect(load).toThrow(
      'missing: 0.bias, 1.norm.running_mean; not in the model: extra; ' +
        'of another shape: 0.weight [4,4,3,3] instead of [4,3,1,1]',
    );
    expect(target.stateDict()).toEqual(before);
  });

  it('of old files lack the counts of batches: the module keeps its own', () => {
    const target = model();
    const { '1.norm.num_batches_tracked': _count, ...rest } = model().stateDict();
    const count = { dtype: 'int64', dims: [], data: BigInt64Array.of(5n) } as const;
    target.loadStateDict({ ...rest, '1.norm.num_batches_tracked': count });
    expect(target.loadStateDict(rest).stateDict()).toEqual({ ...rest, '1.norm.num_batches_tracked': count });
    expect(target.loadStateDict(rest, { strict: false })).toEqual({ missingKeys: [], unexpectedKeys: [] });
    const { '1.norm.running_mean': _mean, ...less } = rest;
    expect(() => target.loadStateDict(less)).toThrow(/missing: 1\.norm\.running_mean$/);
  });

  it('that are not strict are loaded as far as they go, and what is left out is named', () => {
    const [source, target] = [model(), model()];
    const before = target.stateDict();
    const { '0.bias': _bias, '1.norm.running_mean': _mean, ...rest } = source.stateDict();
    const state = { ...rest, extra: rest['0.weight'] as nn.StateTensor };
    expect(target.loadStateDict(state, { strict: false })).toEqual({
      missingKeys: ['0.bias', '1.norm.running_mean'],
      unexpectedKeys: ['extra'],
    });
    expect(target.stateDict()).toEqual({
      ...source.stateDict(),
      '0.bias': before['0.bias'],
      '1.norm.running_mean': before['1.norm.running_mean'],
    });
  });

  it('of another shape are refused whether strict or not, and so is an unknown option', () => {
    const target = model();
    const before = target.stateDict();
    const state = { '0.bias': { dtype: 'float32', dims: [2], data: new Float32Array(2) } } as const;
    const load = (): unknown => target.loadStateDict(state, { strict: false });
    expect(load).toThrow(GlobalPercError);
    expect(load).toThrow(/: of another shape: 0\.bias \[2\] instead of \[4\]$/);
    expect(target.stateDict()).toEqual(before);
    expect(() => target.loadStateDict(before, { stric: false } as never)).toThrow(/stric/);
  });

  it('list a shared module under each of its keys, its parameters once', () => {
    const linear = new nn.Linear(2, 2);
    const twice = new nn.Sequential(linear, new nn.ReLU(), linear);
    expect(Object.keys(twice.stateDict())).toEqual(['0.weight', '0.bias', '2.weight', '2.bias']);
    expect(twice.parameters()).toEqual([linear.weight, linear.bias]);
  });
});

describe('freeze and trainable', () => {
  const trained = (module: nn.Module): string[] =>
    [...module.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad).map(([path]) => path);

  it('choose parameters by path', () => {
    const module = model();
    expect(trained(module.freeze().trainable(/^1\./))).toEqual(['1.conv.weight', '1.norm.weight', '1.norm.bias']);
    expect(trained(module.trainable().freeze(/norm|^0/))).toEqual(['1.conv.weight', '2.conv.weight']);
  });

  it('name what there is when nothing matches', () => {
    expect(() => model().freeze(/head/)).toThrow(/no parameter matches \/head\/; there are 0\.weight, 0\.bias/);
  });
});

describe('train and eval', () => {
  it('reach every module', () => {
    const module = model();
    expect([...module.eval().namedModules()].every(([, { training }]) => !training)).toBe(true);
    expect([...module.train().namedModules()].every(([, { training }]) => training)).toBe(true);
  });
});

describe('traced calls', () => {
  it('carry paths, classes and the number of the call', () => {
    const shared = new nn.ReLU();
    const module = new nn.Sequential(new Block(), shared, shared);
    const x = image([2, 4, 6, 6]);
    const trace = new nn.Trace(x.graph, module);
    module(x);
    expect(trace.calls.map(({ path, class: name, call, leaf }) => [path, name, call, leaf])).toEqual([
      ['0.conv', 'Conv2d', 0, true],
      ['0.norm', 'BatchNorm2d', 0, true],
      ['0.relu', 'ReLU', 0, true],
      ['0', 'Block', 0, false],
      ['1', 'ReLU', 0, true],
      ['1', 'ReLU', 1, true],
      ['', 'Sequential', 0, false],
    ]);
    const nodesOf = (call: number) => trace.calls[call]?.nodes.map(({ op, modulePath }) => [op, modulePath]);
    expect(nodesOf(0)).toEqual([['Conv', '0.conv']]);
    expect(nodesOf(2)).toEqual([['Relu', '0.relu']]);
    expect(nodesOf(3)?.at(-1)).toEqual(['Add', '0']);
    expect([...trace.updates.keys()].map((buffer) => trace.pathOf(buffer)).sort()).toEqual([
      '0.norm.num_batches_tracked',
      '0.norm.running_mean',
      '0.norm.running_var',
    ]);
  });

  it('see attention with masks as one call', () => {
    const attention = new nn.MultiheadAttention(4, 2, { batchFirst: true });
    const x = image([2, 5, 4]);
    const trace = new nn.Trace(x.graph, attention);
    const keyPaddingMask = x.graph.input('mask', 'bool', [2, 5]);
    const [output, weights] = attention.attend(x, x, x, { keyPaddingMask }) as [Tensor, Tensor];
    expect(output.shape).toEqual([2, 5, 4]);
    expect(weights.shape).toEqual([2, 5, 5]);
    expect(trace.calls.map((call) => call.class)).toEqual(['MultiheadAttention']);
    expect(trace.calls[0]?.output).toBe(output.value);
  });

  it('are hooked by the classes themselves', () => {
    expect(nn.Conv2d.className).toBe('Conv2d');
    for (const [name, value] of Object.entries(nn)) {
      if (typeof value === 'function' && value.prototype instanceof nn.Module) {
        expect(value, name).toHaveProperty('className', name);
      }
    }
  });
});

describe('containers', () => {
  it('Sequential runs its modules in order', () => {
    const module = new nn.Sequential(new nn.Linear(3, 5), new nn.ReLU()).append(new nn.Linear(5, 2));
    expect(module.length).toBe(3);
    expect([...module].map(({ className }) => className)).toEqual(['Linear', 'ReLU', 'Linear']);
    expect(module(image([7, 3])).shape).toEqual([7, 2]);
    const x = image([7, 3]);
    expect(new nn.Sequential()(x)).toBe(x);
  });

  it('ModuleList is indexed, iterated and appended to, but not called', () => {
    const list = new nn.ModuleList([new nn.Linear(2, 3)]).append(new nn.Linear(3, 4));
    expect(list.length).toBe(2);
    expect(list.at(-1).weight.shape).toEqual([4, 3]);
    expect(Array.from(list, ({ weight }) => weight.shape)).toEqual([
      [3, 2],
      [4, 3],
    ]);
    expect(Object.keys(list.stateDict())).toEqual(['0.weight', '0.bias', '1.weight', '1.bias']);
    expect(() => list.at(2)).toThrow(/ModuleList has 2 modules, none at 2/);
    expect(() => list(image([1, 2]))).toThrow(GlobalPercError);
  });
});

describe('UNet', () => {
  it('keeps the size of the image', () => {
    const unet = new UNet(3, 4, 2, { depth: 2 });
    expect(unet(image([2, 3, 12, 20])).shape).toEqual([2, 2, 12, 20]);
    const keys = Object.keys(unet.stateDict());
    expect(keys[0]).toBe('down.0.0.weight');
    expect(keys.slice(-2)).toEqual(['head.weight', 'head.bias']);
    expect(unet.stateDict()['up.0.0.weight']?.dims).toEqual([8, 24, 3, 3]);
    expect(unet.stateDict()['middle.1.num_batches_tracked']?.dtype).toBe('int64');
  });

  it('names the nearest sizes of an image it cannot halve', () => {
    expect(() => new UNet()(image([1, 3, 101, 64]))).toThrow(/UNet: .*multiples of 8.*\[1,3,101,64\].*104 × 64/);
  });
});
