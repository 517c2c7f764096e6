/** Operators of ONNX Runtime's own against ONNX Runtime, which runs them as they are; and their gradients. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { Tensor, type Value } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { requiredOpset } from '../../src/ops/index.js';
import { specialize } from '../../src/passes/index.js';
import { Session } from '../../src/runtime/index.js';
import { type AttributeSpec, floatTensor, input, modelBytes } from './build.js';

/** `[batch, tokens, features]` */
const DIMS = [2, 3, 8];
const wave = (size: number, phase: number): number[] =>
  Array.from({ length: size }, (_, i) => Math.sin(0.7 * i + phase));
const DATA = Float32Array.from(wave(48, 0.3));

interface Case {
  readonly op: string;
  /** Inputs behind x, as shapes; undefined where one is left out; `x` is x again. */
  readonly inputs?: readonly (readonly number[] | 'x' | undefined)[];
  readonly attributes?: Record<string, AttributeSpec>;
  readonly outputs?: readonly string[];
  readonly opset?: number;
}

function modelOf({ op, inputs = [], attributes = {}, outputs = ['y'], opset = 20 }: Case): Uint8Array {
  const names = inputs.map((shape, i) => (shape === undefined ? '' : shape === 'x' ? 'x' : `w${i}`));
  const initializers = inputs.flatMap((shape, i) =>
    shape === undefined || shape === 'x'
      ? []
      : [
          floatTensor(
            `w${i}`,
            shape,
            wave(
              shape.reduce((a, b) => a * b, 1),
              i + 1,
            ),
          ),
        ],
  );
  return modelBytes({
    opset,
    inputs: [input('x', ['batch', 'tokens', 8])],
    nodes: [[op, ['x', ...names], outputs, attributes]],
    initializers,
    outputs: [outputs.at(-1) as string],
  });
}

/** Our static graph of a model, its input and output. */
async function opened(bytes: Uint8Array) {
  const model = await loadModel(bytes);
  const [y] = model.graph.outputs as [Value];
  const body = await specialize(model.graph, new Map([[model.input, { dtype: 'float32', shape: DIMS }]]), [y]);
  return { graph: body.graph, x: body.valueOf(model.input), y: body.valueOf(y) };
}

const run = async (
  graph: Parameters<typeof Session.runOnce>[0],
  output: Value,
  data: Float32Array,
): Promise<number[]> => {
  graph.outputs = [output];
  const result = await Session.runOnce(graph, requiredOpset(graph), { x: { dtype: 'float32', dims: DIMS, data } });
  return Array.from(result[output.name]?.data as Float32Array);
};

const MS = 'com.microsoft:';
const cases: [string, Case][] = [
  ['Gelu', { op: `${MS}Gelu` }],
  ['FastGelu', { op: `${MS}FastGelu` }],
  ['FastGelu with bias', { op: `${MS}FastGelu`, inputs: [[8]] }],
  ['QuickGelu', { op: `${MS}QuickGelu`, attributes: { alpha: { float: 1.5 } } }],
  ['BiasGelu', { op: `${MS}BiasGelu`, inputs: [[8]] }],
  ['FusedMatMul', { op: `${MS}FusedMatMul`, inputs: [[5, 8]], attributes: { transB: 1, alpha: { float: 0.5 } } }],
  ['FusedMatMul, both turned', { op: `${MS}FusedMatMul`, inputs: [[2, 5, 3]], attributes: { transA: 1, transB: 1 } }],
  [
    'SkipLayerNormalization',
    { op: `${MS}SkipLayerNormalization`, inputs: ['x', [8], [8]], attributes: { epsilon: { float: 1e-5 } } },
  ],
  [
    'SkipLayerNormalization with bias, its sum',
    { op: `${MS}SkipLayerNormalization`, inputs: ['x', [8], [8], [8]], outputs: ['a', '', '', 'y'] },
  ],
  ['SkipSimplifiedLayerNormalization', { op: `${MS}SkipSimplifiedLayerNormalization`, inputs: ['x', [8]] }],
  ['SimplifiedLayerNormalization', { op: 'SimplifiedLayerNormalization', inputs: [[8]] }],
  ['Attention', { op: `${MS}Attention`, inputs: [[8, 24], [24]], attributes: { num_heads: 2 } }],
  [
    'Attention, causal',
    { op: `${MS}Attention`, inputs: [[8, 24], [24]], attributes: { num_heads: 2, unidirectional: 1 } },
  ],
  ['MultiHeadAttention', { op: `${MS}MultiHeadAttention`, inputs: ['x', 'x'], attributes: { num_heads: 4 } }],
  [
    'MultiHeadAttention with bias and scale',
    {
      op: `${MS}MultiHeadAttention`,
      inputs: ['x', 'x', [24], undefined, [1, 1, 3, 3]],
      attributes: { num_heads: 2, scale: { float: 0.3 } },
    },
  ],
  [
    'Attention of opset 23',
    { op: 'Attention', opset: 23, inputs: ['x', 'x'], attributes: { q_num_heads: 2, kv_num_heads: 2 } },
  ],
  [
    'Attention of opset 23, causal',
    { op: 'Attention', opset: 23, inputs: ['x', 'x'], attributes: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 } },
  ],
  [
    'Attention of opset 23 with a mask',
    {
      op: 'Attention',
      opset: 23,
      inputs: ['x', 'x', [3, 3]],
      attributes: { q_num_heads: 4, kv_num_heads: 4, scale: { float: 0.7 } },
    },
  ],
];

describe.each(cases)('%s', (_name, spec) => {
  it('gives what ONNX Runtime gives', async () => {
    const bytes = modelOf(spec);
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, graphOptimizationLevel: 'disabled' });
    const theirs = await session.run({ x: new OrtTensor('float32', DATA, DIMS) });
    const { graph, y } = await opened(bytes);
    expect(graph.nodes.filter(({ domain }) => domain !== '')).toEqual([]);
    const found = await run(graph, y, DATA);
    const expected = Array.from(theirs.y?.data as Float32Array);
    expect(found.length).toBe(expected.length);
    const worst = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] as number))));
    expect(worst).toBeLessThan(2e-5);
  });

  it('has the gradient that differences show', async () => {
    const { graph, x, y } = await opened(modelOf(spec));
    const output = new Tensor(graph, y);
    const total = output.mul(output).sum(output.shape.map((_, axis) => axis));
    const [dx] = gradient(total, [new Tensor(graph, x)]) as [Tensor];
    const direction = wave(48, 2);
    const along = (step: number): Float32Array => DATA.map((value, i) => value + step * (direction[i] as number));
    const slope = (await run(graph, dx.value, DATA)).reduce(
      (sum, value, i) => sum + value * (direction[i] as number),
      0,
    );
    const [above] = await run(graph, total.value, along(1e-2));
    const [below] = await run(graph, total.value, along(-1e-2));
    const difference = ((above as number) - (below as number)) / 2e-2;
    expect(Math.abs(slope - difference)).toBeLessThan(2e-2 * Math.max(1, Math.abs(difference)));
  });
});

describe('refused by name', () => {
  it.each<[string, Case, RegExp]>([
    [
      'a mask of keys',
      { op: `${MS}Attention`, inputs: [[8, 24], [24], [2]], attributes: { num_heads: 2 } },
      /Attention 'Attention_0'.*mask_index is not supported/,
    ],
    [
      'grouped queries',
      { op: 'Attention', opset: 23, inputs: ['x', 'x'], attributes: { q_num_heads: 4, kv_num_heads: 2 } },
      /grouped queries/,
    ],
    ['packed keys', { op: `${MS}MultiHeadAttention`, attributes: { num_heads: 2 } }, /packed queries, keys and values/],
  ])('%s', async (_name, spec, message) => {
    await expect(loadModel(modelOf(spec))).rejects.toThrow(message);
  });
});
