/** Lowering for WebGPU keeps what a graph computes: lowered graphs on the CPU, where every operator is right. */
import { describe, expect, it } from 'vitest';
import { type Graph, string, type Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { lower } from '../../src/passes/index.js';
import { families, withGradients } from '../support/op-cases.js';
import { expectClose, feedOf, numbersIn, withSession } from '../support/run.js';

/** Rewritten wherever they occur, gradients included. */
const SPELLED_OUT = [
  'Celu',
  'GroupNormalization',
  'LogSoftmax',
  'Mean',
  'ReduceL1',
  'ReduceLogSumExp',
  'Selu',
  'Sign',
  'Softsign',
  'Sum',
];
const REWRITTEN = new Set([...SPELLED_OUT, 'Abs', 'MaxPool', 'MaxUnpool', 'Slice']);

const cases = families.flatMap(({ fixture }) =>
  fixture.cases
    .filter(({ op }) => REWRITTEN.has(op))
    .map((test) => ({ label: `${test.op}: ${test.name}`, fixture, test })),
);

const opsOf = (graph: Graph): string[] => graph.nodes.map(({ op }) => op);

it('is for WebGPU alone', () => {
  const graph = createGraph();
  graph.output('y', graph.input('x', 'float32', [2]).sign());
  expect(lower(graph, 'cpu')).toEqual({ graph, onCpu: [] });
  expect(opsOf(lower(graph, 'webgpu').graph)).not.toContain('Sign');
});

it.each(cases)('$label', async ({ fixture, test }) => {
  const { graph, feeds } = withGradients(fixture, test, 'float32');
  const { graph: lowered } = lower(graph, 'webgpu');
  const given = Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]));
  const expected = await withSession(graph, (session) => session.run(given));
  const found = await withSession(lowered, (session) => session.run(given));
  for (const [name, tensor] of Object.entries(expected)) {
    expect(found[name]?.dims, name).toEqual(tensor.dims);
    expect(found[name]?.dtype, name).toBe(tensor.dtype);
    expectClose(numbersIn(found[name]), numbersIn(tensor), 1e-5, name);
  }
  const integers = graph.inputs[0]?.dtype !== 'float32';
  if (!integers) for (const op of SPELLED_OUT) expect(opsOf(lowered)).not.toContain(op);
});

it('takes the places of maxima from no pool for a gradient, but where the model reads them', () => {
  const pool = families.flatMap(({ fixture }) => fixture.cases.map((test) => ({ fixture, test })));
  const places = (name: string): (string | undefined)[] => {
    const { fixture, test } = pool.find(
      (one) => one.test.op === 'MaxPool' && one.test.name === name,
    ) as (typeof pool)[0];
    const { graph, onCpu } = lower(withGradients(fixture, test, 'float32').graph, 'webgpu');
    const left = graph.nodes.filter(({ op, outputs }) => op === 'MaxPool' && outputs[1]);
    expect(left.every((node) => onCpu.includes(node.name))).toBe(true);
    return left.map(({ name: node }) => node);
  };
  expect(places('1d-overlapping-padded')).toHaveLength(0);
  expect(places('2d-indices')).toHaveLength(1);
});

describe('double precision', () => {
  const rateOf = (step: Tensor): Tensor =>
    step.cast('float64').pow(2).mul(step.graph.scalar(0.1, 'float64')).cast('float32');

  it('becomes single, and stays on the CPU', async () => {
    const graph = createGraph();
    graph.output('y', rateOf(graph.input('step', 'int64', [])).mul(graph.input('x', 'float32', [2])));
    const { graph: lowered, onCpu } = lower(graph, 'webgpu');
    expect(lowered.nodes.flatMap(({ outputs }) => outputs.map((value) => value?.dtype))).not.toContain('float64');
    const kept = lowered.nodes.filter(({ name }) => onCpu.includes(name)).map(({ op }) => op);
    expect(kept).toEqual(['Cast', 'Pow', 'Mul', 'Cast']);
    const feeds = {
      step: { dtype: 'int64', dims: [], data: BigInt64Array.of(3n) },
      x: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) },
    } as const;
    const { y } = await withSession(lowered, (session) => session.run(feeds));
    expectClose(numbersIn(y), [0.9, 1.8], 1e-6, 'y');
  });

  it('is left where a model takes or gives it', () => {
    const graph = createGraph();
    graph.output('y', graph.input('x', 'float64', [2]).mul(2));
    expect(lower(graph, 'webgpu').graph.inputs[0]?.dtype).toBe('float64');
  });
});

it.each([
  ['broadcasting', 'ij,jk->ik', [2, 1], [3, 2], true],
  ['dots', '...j,jk->...k', [2, 3], [3, 2], true],
  ['plain', 'ij,jk->ik', [2, 3], [3, 2], false],
])('an Einsum of an equation that is %s', (_, equation, a, b, onCpu) => {
  const graph = createGraph();
  const inputs = [graph.input('a', 'float32', a), graph.input('b', 'float32', b)];
  graph.output('y', graph.emit('Einsum', inputs, { equation: string(equation) })[0] as Tensor);
  expect(lower(graph, 'webgpu').onCpu).toHaveLength(onCpu ? 1 : 0);
});
