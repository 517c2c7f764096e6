/** Every layer against PyTorch: forward, all gradients, and what its buffers become. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import type { ConstantData, Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import * as layers from '../../src/nn/layers/index.js';
import { createGraph } from '../../src/ops/index.js';
import { buildLayer, callLayer, type LayerCase, layerFamilies } from '../support/layers.js';
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
    const loss = test.cotangents
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

    for (const [i, key] of test.outputs.entries()) {
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
  const cases = layerFamilies.flatMap(({ fixture }) => fixture.cases);
  const isLayer = (value: unknown): boolean =>
    typeof value === 'function' && Object(value.prototype) instanceof nn.Module;
  const names = Object.entries(layers).flatMap(([name, value]) => (isLayer(value) ? [name] : []));

  it.each(names)('%s has cases with gradients, and is trained where it has weights', (name) => {
    const own = cases.filter((test) => test.layer.class === name);
    const carries = ({ inputGradients, gradients }: LayerCase): boolean =>
      inputGradients.some((key) => key !== null) || Object.keys(gradients).length > 0;
    expect(own.some(carries)).toBe(true);
    for (const test of own.filter(({ gradients }) => Object.keys(gradients).length > 0)) {
      expect(test.trained?.losses.length, test.name).toBe(10);
    }
  });
});
