/** What reading an old operator set puts around an operator is no module and changes none. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ModuleCall, recoverModules } from '../../src/modules/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { floatTensor, input, modelBytes, type NodeSpec } from '../onnx/build.js';

const callsOf = async (bytes: Uint8Array): Promise<ModuleCall[]> =>
  recoverModules(await readOnnx(createGraph(), bytes, { source: 'test' }));
const listed = (calls: readonly ModuleCall[]): string[] => calls.map((call) => `${call.path} ${call.class}`);

it('leaves Softmax and LogSoftmax of a TorchScript file of opset 11 their classes', async () => {
  const bytes = new Uint8Array(
    readFileSync(new URL('../../fixtures/data/cases/softmax-opset11.onnx', import.meta.url)),
  );
  const calls = await callsOf(bytes);
  expect(listed(calls)).toEqual(['c Conv2d', 'sm Softmax', 'ls LogSoftmax', 'c2 Conv2d']);
  expect(calls.map(({ output }) => output.name)).toEqual([
    '/c/Conv_output_0',
    '/sm/Softmax_output_0',
    '/ls/LogSoftmax_output_0',
    '10',
  ]);
});

/** Every operator that becomes several, with what stands before and behind it, in a file without names of modules. */
const cases: { what: string; opset: number; node: NodeSpec; expected: string[] }[] = [
  ...['Softmax', 'LogSoftmax'].map((op) => ({
    what: op,
    opset: 11,
    node: [op, ['a'], ['b'], { axis: 3 }] as NodeSpec,
    expected: ['Relu_0 ReLU a', `${op}_0 ${op} b`, 'Tanh_0 Tanh y'],
  })),
  {
    what: 'Hardmax',
    opset: 11,
    node: ['Hardmax', ['a'], ['b'], { axis: 1 }],
    expected: ['Relu_0 ReLU a', 'Tanh_0 Tanh y'],
  },
  {
    what: 'Resize in both directions',
    opset: 10,
    node: ['Resize', ['a', 's'], ['b'], { mode: 'nearest' }],
    expected: ['Relu_0 ReLU a', 'Resize_0 Upsample b', 'Tanh_0 Tanh y'],
  },
  {
    what: 'GroupNormalization',
    opset: 18,
    node: ['GroupNormalization', ['a', 'g', 'g'], ['b'], { num_groups: 2 }],
    expected: ['Relu_0 ReLU a', 'GroupNormalization_0 GroupNorm b', 'Tanh_0 Tanh y'],
  },
  {
    what: 'GridSample',
    opset: 16,
    node: ['GridSample', ['a', 'p'], ['b']],
    expected: ['Relu_0 ReLU a', 'Tanh_0 Tanh y'],
  },
];

describe('a file without names of modules', () => {
  it.each(cases)('$what', async ({ opset, node, expected }) => {
    const nodes: NodeSpec[] = [['Relu', ['x'], ['a']], node, ['Tanh', ['b'], ['y']]];
    const initializers = [
      floatTensor('s', [4], [1, 1, 2, 0.5]),
      floatTensor('g', [2], [1, 2]),
      floatTensor('p', [1, 1, 1, 2], [0, 0]),
    ];
    const used = initializers.filter(({ name }) => node[1].includes(name));
    const calls = await callsOf(modelBytes({ opset, nodes, inputs: [input('x', [1, 4, 4, 4])], initializers: used }));
    expect(calls.map((call) => `${call.path} ${call.class} ${call.output.name}`)).toEqual(expected);
  });

  it('knows the dimensions of what stands behind', async () => {
    const nodes: NodeSpec[] = [
      ['Softmax', ['x'], ['a'], { axis: 4 }],
      ['GlobalAveragePool', ['a'], ['y']],
    ];
    const calls = await callsOf(modelBytes({ opset: 11, nodes, inputs: [input('x', [1, 2, 3, 4, 5])] }));
    expect(listed(calls)).toEqual(['Softmax_0 Softmax', 'GlobalAveragePool_0 AdaptiveAvgPool3d']);
  });
});
