/** Every layer against PyTorch: forward, all gradients, and what its buffers become. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import type { ConstantData, Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { buildLayer, callLayer, layerFamilies } from '../support/layers.js';
import { expectClose, feedOf, numbersIn, withSession } from '../support/run.js';

describe.each(layerFamilies)('$family', ({ fixture }) => {
  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const layer = buildLayer(fixture, test);
    const graph = createGraph();
    const feeds: Record<string, ConstantData> = {};
    const declare = (name: string, data: ConstantData): Tensor => {
      feeds[name] = data;
      return graph.input(name, data.dtype, data.shape);
    };
    const parameters = new Map<string, Tensor>();
    const trace = new nn.Trace(graph, layer, (path, held) => {
      const bytes = new Uint8Array(held.data.buffer, held.data.byteOffset, held.data.byteLength);
      const tensor = declare(path, { dtype: held.dtype, shape: held.shape, bytes });
      if (held instanceof nn.Parameter) parameters.set(path, tensor);
      return tensor;
    });
    const inputs = test.inputs.map((key, i) => declare(`input_${i}`, fixture.tensor(key)));
    const outputs = callLayer(layer, inputs, test.call, (key) => fixture.tensor(key));
    const cotangents = test.cotangents ?? [test.cotangent as string];
    const loss = cotangents
      .map((key, i) => (outputs[i] as Tensor).mul(graph.constant(fixture.tensor(key))).sum())
      .reduce((sum, term) => sum.add(term));
    const wrt = [
      ...test.inputGradients.flatMap((key, i) =>
        key ? [{ name: `input ${i}`, key, tensor: inputs[i] as Tensor }] : [],
      ),
      ...Object.entries(test.gradients).map(([name, key]) => ({ name, key, tensor: parameters.get(name) as Tensor })),
    ];
    const gradients = gradient(
      loss,
      wrt.map(({ tensor }) => tensor),
    );
    for (const [i, output] of outputs.entries()) graph.output(`output_${i}`, output);
    for (const [i, tensor] of gradients.entries()) graph.output(`gradient_${i}`, tensor);
    for (const [buffer, value] of trace.updates) graph.output(`after_${trace.pathOf(buffer)}`, value);
    const results = await withSession(graph, (session) =>
      session.run(Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]))),
    );

    for (const [i, key] of (test.outputs ?? [test.output as string]).entries()) {
      expect(results[`output_${i}`]?.dims, `shape of output ${i}`).toEqual(fixture.tensor(key).shape);
      expectClose(numbersIn(results[`output_${i}`]), fixture.tensor(key), 1e-4, `output ${i}`);
    }
    for (const [i, { name, key }] of wrt.entries()) {
      expectClose(numbersIn(results[`gradient_${i}`]), fixture.tensor(key), 1e-4, `gradient of ${name}`);
    }
    const after = test.stateAfterForward ?? {};
    expect([...trace.updates.keys()].map((buffer) => trace.pathOf(buffer)).sort()).toEqual(Object.keys(after).sort());
    for (const [name, key] of Object.entries(after)) {
      expectClose(numbersIn(results[`after_${name}`]), fixture.tensor(key), 1e-4, `${name} afterwards`);
    }
  });
});

describe('completeness', () => {
  const covered = new Set(layerFamilies.flatMap(({ fixture }) => fixture.cases.map((test) => test.layer.class)));
  /** Held to PyTorch elsewhere, or by a sibling that shares all of its code. */
  const elsewhere = new Set(['Module', 'Sequential', 'ModuleList', 'Dropout']);
  const layers = Object.entries(nn).filter(
    ([name, value]) =>
      typeof value === 'function' &&
      value.prototype instanceof nn.Module &&
      !elsewhere.has(name) &&
      /(?<![13]d)$/.test(name),
  );
  it.each(layers.map(([name]) => name))('%s has cases', (name) => {
    expect(covered).toContain(name);
  });
});
