/** Operators of ONNX Runtime's own against ONNX Runtime, which runs them as they are; where it cannot, against PyTorch. */
import { describe, expect, it } from 'vitest';
import { type ConstantData, numbersOf, typedArray } from '../../src/graph/index.js';
import { readFixture } from '../support/safetensors.js';
import { type AttributeSpec, floatTensor, input, modelBytes, type NodeSpec } from './build.js';
import { compareWithKernel, expectClose, expectRefused, spelledOut } from './kernel.js';
import { read } from './parse.js';

const MS = 'com.microsoft:';
const IMAGE = { dims: [2, 4, 5, 6] };

compareWithKernel([
  ['Gelu', { op: `${MS}Gelu` }],
  ['FastGelu', { op: `${MS}FastGelu` }],
  ['FastGelu with bias', { op: `${MS}FastGelu`, inputs: [[8]] }],
  ['QuickGelu', { op: `${MS}QuickGelu`, attributes: { alpha: { float: 1.5 } } }],
  ['BiasGelu', { op: `${MS}BiasGelu`, inputs: [[8]] }],
  ['FusedMatMul', { op: `${MS}FusedMatMul`, inputs: [[5, 8]], attributes: { transB: 1, alpha: { float: 0.5 } } }],
  ['FusedMatMul, both turned', { op: `${MS}FusedMatMul`, inputs: [[2, 5, 3]], attributes: { transA: 1, transB: 1 } }],
  ['TransposeMatMul', { op: `${MS}TransposeMatMul`, inputs: [[5, 8]], attributes: { transB: 1 } }],
  ['FusedConv', { op: `${MS}FusedConv`, ...IMAGE, inputs: [[3, 4, 3, 3], [3]], attributes: { activation: 'Relu' } }],
  [
    'FusedConv with a sum and a slope',
    {
      op: `${MS}FusedConv`,
      ...IMAGE,
      inputs: [[4, 2, 3, 3], [4], [2, 4, 5, 6]],
      attributes: {
        ...{ group: 2, pads: [1, 1, 1, 1] },
        ...{ activation: 'LeakyRelu', activation_params: { floats: [0.3] } },
      },
    },
  ],
  [
    'FusedConv with a sum, without bias',
    { op: `${MS}FusedConv`, ...IMAGE, inputs: [[4, 4, 1, 1], undefined, [2, 4, 5, 6]] },
  ],
  [
    'FusedConv with limits',
    {
      op: `${MS}FusedConv`,
      ...IMAGE,
      inputs: [[3, 4, 3, 3], [3]],
      attributes: { activation: 'Clip', activation_params: { floats: [0, 0.6] } },
    },
  ],
  [
    'FusedConv with a hard sigmoid',
    {
      op: `${MS}FusedConv`,
      ...IMAGE,
      inputs: [[3, 4, 3, 3]],
      attributes: { activation: 'HardSigmoid', activation_params: { floats: [0.1, 0.4] } },
    },
  ],
  [
    'FusedGemm',
    {
      op: `${MS}FusedGemm`,
      dims: [6, 8],
      inputs: [[5, 8], [5]],
      attributes: { transB: 1, alpha: { float: 0.5 }, activation: 'LeakyRelu', activation_alpha: { float: 0.2 } },
    },
  ],
  [
    'SkipLayerNormalization',
    { op: `${MS}SkipLayerNormalization`, inputs: ['x', [8], [8]], attributes: { epsilon: { float: 1e-5 } } },
  ],
  [
    'SkipLayerNormalization with bias, its sum',
    { op: `${MS}SkipLayerNormalization`, inputs: ['x', [8], [8], [8]], outputs: ['a', '', '', 'y'] },
  ],
  [
    'SkipLayerNormalization, its sum unread',
    { op: `${MS}SkipLayerNormalization`, inputs: ['x', [8]], outputs: ['y', 'm', 'v'] },
  ],
  ['SkipSimplifiedLayerNormalization', { op: `${MS}SkipSimplifiedLayerNormalization`, inputs: ['x', [8]] }],
  [
    'SkipSimplifiedLayerNormalization with bias, its sum',
    { op: `${MS}SkipSimplifiedLayerNormalization`, inputs: ['x', [8], [8]], outputs: ['a', '', '', 'y'] },
  ],
  ['SimplifiedLayerNormalization', { op: 'SimplifiedLayerNormalization', inputs: [[8]] }],
  [
    'SimplifiedLayerNormalization over two dimensions',
    { op: 'SimplifiedLayerNormalization', inputs: [[3, 8]], attributes: { axis: 1, epsilon: { float: 0.1 } } },
  ],
]);

/** As fixtures/make_contrib.py stores it; the gradient is that of Σy² by the first input. */
interface Stored {
  readonly op: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeSpec>>;
  readonly inputs: readonly (string | null)[];
  readonly outputs: number;
  readonly output: string;
  readonly gradient: string;
}

describe('what ONNX Runtime lacks on the CPU, as PyTorch computes it', () => {
  const fixture = readFixture<Stored>('contrib.safetensors');
  it.each(fixture.cases.map((stored) => [stored.name, stored] as const))('%s', async (_name, stored) => {
    const [x, ...others] = stored.inputs.map((key) => key && fixture.tensor(key)) as [ConstantData, ...ConstantData[]];
    const outputs = Array.from({ length: stored.outputs }, (_, i) => (i === stored.outputs - 1 ? 'y' : `y${i}`));
    const bytes = modelBytes({
      inputs: [input('x', x.shape)],
      nodes: [
        [
          `${MS}${stored.op}`,
          ['x', ...others.map((one, i) => one && `w${i}`)].map((one) => one || ''),
          outputs,
          stored.attributes,
        ],
      ],
      initializers: others.flatMap((one, i) => (one ? [floatTensor(`w${i}`, one.shape, [...numbersOf(one)])] : [])),
    });
    const found = await spelledOut(bytes, x.shape, typedArray('float32', x.bytes) as Float32Array);
    const expected = fixture.tensor(stored.output);
    expect(found.shape).toEqual(expected.shape);
    expectClose(found.values, numbersOf(expected), 1e-5);
    expectClose(found.gradient, numbersOf(fixture.tensor(stored.gradient)), 2e-4);
  });
});

expectRefused([
  [
    'an activation',
    { op: `${MS}FusedConv`, ...IMAGE, inputs: [[3, 4, 3, 3]], attributes: { activation: 'Softplus' } },
    /^the model: com\.microsoft\.FusedConv 'FusedConv_0': its activation Softplus is not supported; export it without ONNX Runtime's optim/,
  ],
  [
    'planes of a skip connection',
    { op: `${MS}SkipGroupNorm`, inputs: [[8], [8], 'x'], attributes: { groups: 2, activation: 0, channels_last: 0 } },
    /channels_last=0 is not supported/,
  ],
  [
    'a statistic that is read',
    { op: `${MS}SkipLayerNormalization`, inputs: ['x', [8]], outputs: ['a', 'y'] },
    /its output 1 is not supported/,
  ],
]);

describe('operators of other domains', () => {
  const graph = (...nodes: NodeSpec[]) => read({ inputs: [input('x', [1])], nodes });

  it.each([
    'com.microsoft:Inverse',
    'com.microsoft:__proto__',
    'ai.onnx.ml:Scaler',
    'custom:Relu',
    'constructor:toString',
  ])('%s is refused where it is needed', async (op) => {
    const [domain, name] = op.split(':');
    await expect(graph([op, ['x'], ['h']], ['Relu', ['h'], ['y']])).rejects.toThrow(
      new RegExp(
        `^model\\.onnx: ${domain}\\.${name} '${name}_0': this operator is not known; export the model with standard`,
      ),
    );
  });

  it('are refused in branches too', async () => {
    const branch = (op: string) => ({
      graph: { nodes: [[op, ['x'], [`${op}_y`]]] as NodeSpec[], outputs: [`${op}_y`] },
    });
    const choice: NodeSpec = [
      'If',
      ['flag'],
      ['y'],
      { then_branch: branch('custom:Relu'), else_branch: branch('Relu') },
    ];
    await expect(graph(['Constant', [], ['flag'], { value_int: 1 }], choice)).rejects.toThrow(/custom\.Relu/);
  });

  it('may stay where nothing needs them', async () => {
    const { nodes } = await graph(['Relu', ['x'], ['y']], ['custom:Report', ['y'], ['z']]);
    expect(nodes.map(({ op }) => op)).toEqual(['Relu', 'Report']);
  });

  it('with quantised weights keep their message', () =>
    expect(graph(['com.microsoft:MatMulNBits', ['x'], ['y']])).rejects.toThrow(/the model is quantised/));
});
