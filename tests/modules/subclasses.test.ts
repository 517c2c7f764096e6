/** Classes that extend layers of torch.nn, as the dynamo exporter writes them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { recoverModules, selectHooks } from '../../src/modules/index.js';
import * as nn from '../../src/nn/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { graphOf, type NodeSpec } from './build.js';

const ACT = 'torch.nn.modules.activation.SiLU';

/** A node of the module `m`, written for a call of a PyTorch operator. */
const own = (className: string, operator: string, [op, name, inputs]: NodeSpec): NodeSpec => [
  op,
  name,
  inputs,
  [`m:${className}`],
  operator,
];

interface Case {
  readonly what: string;
  readonly nodes: readonly NodeSpec[];
  /** The class that it counts as besides its own. */
  readonly base: string | undefined;
}

const conv = (className: string, ...weights: string[]): NodeSpec[] => [
  own(className, 'conv2d', ['Conv', 'y', ['x', ...weights]]),
];

const cases: Case[] = [
  { what: 'a convolution with its own weight', nodes: conv('my.WeightStandardized', 'm.weight'), base: 'Conv2d' },
  {
    what: 'a convolution with a weight computed from its own',
    nodes: [own('my.Scaled', 'mul', ['Mul', 'w', ['m.weight', 'm.gain']]), ...conv('my.Scaled', 'w', 'm.bias')],
    base: 'Conv2d',
  },
  {
    what: 'a parametrised convolution',
    nodes: conv('torch.nn.utils.parametrize.ParametrizedConv2d', 'mul', 'm.bias'),
    base: 'Conv2d',
  },
  {
    what: 'a parametrised layer without operator of its own',
    nodes: [own('torch.nn.utils.parametrize.ParametrizedGRU', 'gru', ['Relu', 'y', ['x']])],
    base: 'GRU',
  },
  {
    what: 'a folded weight in a class with a telling name',
    nodes: conv('timm.ScaledStdConv2d', 'view_2'),
    base: 'Conv2d',
  },
  { what: 'a folded weight beside a bias', nodes: conv('my.Own', 'view_2', 'm.bias'), base: 'Conv2d' },
  { what: 'a folded weight and nothing else', nodes: conv('my.Own', 'view_2'), base: undefined },
  { what: 'a functional call on a kernel', nodes: conv('my.Blur', 'm.kernel'), base: undefined },
  {
    what: 'a functional call on a kernel and a bias',
    nodes: conv('my.FakeConv2d', 'm.kernel', 'm.bias'),
    base: undefined,
  },
  {
    what: 'two convolutions',
    nodes: [
      own('my.Twice', 'conv2d', ['Conv', 'a', ['x', 'm.weight']]),
      own('my.Twice', 'conv2d_1', ['Conv', 'y', ['a', 'm.weight']]),
    ],
    base: undefined,
  },
  {
    what: 'a container of a convolution',
    nodes: [
      ['Conv', 'a', ['x', 'm.conv.weight'], ['m:my.BlockConv2d', 'm.conv:torch.nn.modules.conv.Conv2d'], 'conv2d'],
      own('my.BlockConv2d', 'add', ['Add', 'y', ['a', 'x']]),
    ],
    base: undefined,
  },
  {
    what: 'a product and its sum',
    nodes: [
      own('my.LoRA', 'linear', ['MatMul', 'a', ['x', 'val_1']]),
      own('my.LoRA', 'linear', ['Add', 'y', ['a', 'm.bias']]),
    ],
    base: 'Linear',
  },
  {
    what: 'a normalisation that goes on with an activation',
    nodes: [
      own('timm.BatchNormAct2d', '_native_batch_norm_legit_no_training', [
        'BatchNormalization',
        'a',
        ['x', 'm.weight'],
      ]),
      ['Sigmoid', 'y', ['a'], ['m:timm.BatchNormAct2d', `m.act:${ACT}`], 'silu'],
    ],
    base: 'BatchNorm2d',
  },
];

describe('a class of its own', () => {
  it.each(cases)('$what: $base', ({ nodes, base }) => {
    const [call] = recoverModules(graphOf(nodes)).filter(({ path }) => path === 'm');
    expect(call?.baseClass).toBe(base);
    if (base !== undefined) expect(selectHooks([call as never], [base])).toEqual([call]);
  });

  it('that extends BatchNorm absorbs a convolution as BatchNorm does', () => {
    const calls = recoverModules(
      graphOf([
        own('my.Norm', '_native_batch_norm_legit_no_training', ['Conv', 'a', ['x', 'stem.weight']]),
        ['Sigmoid', 'y', ['a'], ['m:my.Norm', `m.act:${ACT}`], 'silu'],
      ]),
    );
    expect(calls.map(({ path, class: name, baseClass }) => [path, name, baseClass])).toEqual([
      ['stem', 'Conv2d', undefined],
      ['m.act', 'SiLU', undefined],
      ['m', 'Norm', 'BatchNorm2d'],
    ]);
  });

  it('is found in a file of PyTorch, with a subclass and a parametrised convolution', async () => {
    const bytes = readFileSync(new URL('../../fixtures/data/cases/subclass.onnx', import.meta.url));
    const calls = recoverModules(await readOnnx(createGraph(), new Uint8Array(bytes), { source: 'subclass' }));
    const found = selectHooks(calls, [nn.Conv2d]).map(({ path, class: name }) => `${path} ${name}`);
    expect(found).toEqual(['0 Conv2d', '2 StdConv2d', '4 ParametrizedConv2d']);
    expect(selectHooks(calls, ['Conv2d'])).toHaveLength(3);
  });
});
