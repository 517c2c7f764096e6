/** Models that call their parts as we call ours: value, gradient and files are those of the model with other names. */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { modelOf, NAMES, type Role, renamed } from '../support/colliding.js';

const IMAGE = { dims: [1, 2, 1, 2], data: [0.5, -0.25, 1, 0.75] };
const TARGET = { dims: [1, 2, 1, 2], data: [0, 0.25, 0.5, 0.5] };
const config = new GlobalPercConfig({
  modulesToHook: ['ReLU'],
  lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'),
  printData: false,
});

/** Everything that a loss tells of a model. */
async function told(name: (role: Role) => string) {
  const model = await loadModel(modelOf(name), { input: name('image') });
  const loss = new GlobalPercLoss(model, config);
  const inputs = { [name('scale')]: 3, [name('offset')]: 0.5 };
  const { value, grad, hooks } = await loss.valueAndGrad(IMAGE, TARGET, { inputs });
  const encoded = await loss.encode(TARGET, { inputs });
  const again = await loss.valueAndGrad(IMAGE, encoded, { inputs });
  const evaluated = await loss.evaluate(IMAGE, TARGET, { inputs });
  const file = await loss.compile(IMAGE.dims, { inputs });
  await loss.dispose();
  const results = [value, again.value, evaluated, hooks[0]?.loss];
  return { file, results, gradients: [grad, again.grad].map(({ data }) => Array.from(data as Float32Array)) };
}

const plain = told((role) => role);

it('the model with names of its own gives what is computed by hand', async () => {
  // Features relu((3x + ½)·(2, −1) + (¼, 1½)): (5.25, 1 − 1.25 → 0; 0, 0) and … of the target.
  const features = (x: readonly number[]): number[] =>
    x.map((value, i) => Math.max((3 * value + 0.5) * (i < 2 ? 2 : -1) + (i < 2 ? 0.25 : 1.5), 0));
  const [a, b] = [features(IMAGE.data), features(TARGET.data)];
  const differences = a.map((value, i) => value - (b[i] as number));
  const loss = differences.reduce((sum, value) => sum + value * value, 0) / 4;
  const grad = differences.map((value, i) => ((a[i] as number) > 0 ? (value / 2) * 3 * (i < 2 ? 2 : -1) : 0));
  const { results, gradients } = await plain;
  for (const value of results) expect(value).toBeCloseTo(loss, 5);
  for (const values of gradients)
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(grad[i] as number, 5);
});

describe.each(NAMES.map((_, shift) => shift))('names moved by %i', (shift) => {
  const nameOf = renamed(shift);

  it('change neither value nor gradient, and make a file in which every name is defined once', async () => {
    const [{ file, results, gradients }, twin] = await Promise.all([told(nameOf), plain]);
    expect(results).toEqual(twin.results);
    expect(gradients).toEqual(twin.gradients);
    const { graph } = fromBinary(ModelProtoSchema, file);
    const defined = [
      ...(graph?.input ?? []).map(({ name }) => name),
      ...(graph?.initializer ?? []).map(({ name }) => name),
      ...(graph?.node ?? []).flatMap(({ output }) => output).filter(Boolean),
    ];
    expect(defined.length).toBe(new Set(defined).size);
    const nodes = (graph?.node ?? []).map(({ name }) => name).filter(Boolean);
    expect(nodes.length).toBe(new Set(nodes).size);
    expect(graph?.output.map(({ name }) => name)).toEqual(['loss', 'grad', 'hook_losses']);
    const inputs = graph?.input.map(({ name }) => name) ?? [];
    expect(inputs).toHaveLength(4);
    expect(inputs).toEqual(expect.arrayContaining(['pred', 'target']));
  });
});
