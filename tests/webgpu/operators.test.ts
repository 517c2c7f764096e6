/** Every operator and its gradient on the WebGPU provider, against the CPU's; where each runs is written to PROVIDERS.md. */
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/index.js';
import { concat } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { lower } from '../../src/passes/index.js';
import { type HostTensor, runSteps, Session, type SessionOptions } from '../../src/runtime/index.js';
import { build, type Case, families, withGradients } from '../support/op-cases.js';
import { expectClose, feedOf, numbersIn } from '../support/run.js';
import type { Fixture } from '../support/safetensors.js';

const TOLERANCE = 1e-3;

type Tensors = Record<string, HostTensor>;

async function onCpu(graph: Graph, feeds: Tensors): Promise<Tensors> {
  const session = await runSteps(Session.open(graph, requiredOpset(graph), { graphOptimizationLevel: 'disabled' }));
  const results = await runSteps(session.run(feeds));
  await runSteps(session.dispose());
  return results;
}

const openOnDevice = (graph: Graph, options: SessionOptions = {}) => {
  const { graph: lowered, onCpu: names } = lower(graph, 'webgpu');
  const given: SessionOptions = { executionProviders: ['webgpu'], ...options };
  return runSteps(Session.open(lowered, requiredOpset(lowered), given, { onCpu: names }));
};

async function onDevice(graph: Graph, feeds: Tensors): Promise<Tensors> {
  const session = await openOnDevice(graph);
  const results = await runSteps(session.run(feeds));
  await runSteps(session.dispose());
  return results;
}

/** Whether the provider takes every node. */
async function isWhole(graph: Graph): Promise<boolean> {
  try {
    const session = await openOnDevice(graph, { extra: { session: { disable_cpu_ep_fallback: '1' } } });
    await runSteps(session.dispose());
    return true;
  } catch {
    return false;
  }
}

/** For each operator: the cases whose value, and whose gradient too, stays on the device. */
const places = new Map<string, { readonly name: string; readonly value: boolean; readonly gradient: boolean }[]>();

async function place(fixture: Fixture<Case>, test: Case): Promise<void> {
  const { graph, outputs } = build(fixture, test, 'float32');
  for (const [i, output] of outputs.entries()) graph.output(`output_${i}`, output);
  const both = await isWhole(withGradients(fixture, test, 'float32').graph);
  const known = places.get(test.op) ?? [];
  known.push({ name: test.name, value: both || (await isWhole(graph)), gradient: both });
  places.set(test.op, known);
}

const labelled = (cases: readonly Case[]) => cases.map((test) => ({ label: `${test.op}: ${test.name}`, test }));

describe.each(families)('$file', ({ fixture }) => {
  it.each(labelled(fixture.cases))('$label', async ({ test }) => {
    const { graph, feeds } = withGradients(fixture, test, 'float32');
    const given = Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]));
    const expected = await onCpu(graph, given);
    const found = await onDevice(graph, given);
    for (const [name, tensor] of Object.entries(expected)) {
      expect(found[name]?.dims, name).toEqual(tensor.dims);
      expectClose(numbersIn(found[name]), numbersIn(tensor), TOLERANCE, name);
    }
    await place(fixture, test);
  });
});

it('joins more tensors than a kernel may bind buffers', async () => {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [3]);
  graph.output(
    'y',
    concat(
      Array.from({ length: 40 }, (_, i) => x.mul(i).sum().reshape([1])),
      0,
    ),
  );
  const feeds: Tensors = { x: { dtype: 'float32', dims: [3], data: Float32Array.of(1, 2, 3) } };
  const { y } = await onDevice(graph, feeds);
  expect(numbersIn(y)).toEqual(Array.from({ length: 40 }, (_, i) => 6 * i));
});

/** `GPU`, `CPU`, or the cases that go to the CPU. */
function summary(cases: readonly { readonly name: string }[], isOn: (index: number) => boolean): string {
  const away = cases.filter((_, i) => !isOn(i)).map(({ name }) => name);
  if (away.length === 0) return 'GPU';
  return away.length === cases.length
    ? 'CPU'
    : `GPU; CPU: ${away.slice(0, 3).join(', ')}${away.length > 3 ? ', …' : ''}`;
}

it('PROVIDERS.md says where each runs', async () => {
  const rows = [...places]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([op, cases]) => {
      const value = summary(cases, (i) => cases[i]?.value ?? false);
      return `| ${op} | ${cases.length} | ${value} | ${summary(cases, (i) => cases[i]?.gradient ?? false)} |`;
    });
  const text = `# Providers

Written by \`npm run test:webgpu -- --update\`; the tests fail where it is no longer true.

**CPU** (\`cpu\` in Node, \`wasm\` in browsers): every operator and gradient, all of them against PyTorch.

**WebGPU** (\`webgpu\`, ONNX Runtime 1.30, in Node and in browsers): the same cases agree with the CPU to 10⁻³. What has no kernel there, or a wrong
one, is spelled out in operators that have, or computed on the CPU, between which and the GPU ONNX Runtime copies. Which of them that concerns, by case:

| operator | cases | value | value and gradient |
| --- | --: | --- | --- |
${rows.join('\n')}
`;
  await expect(text).toMatchFileSnapshot('../../PROVIDERS.md');
});
