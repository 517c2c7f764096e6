/**
 * Architectures as people know them, small and with random weights: the modules that PyTorch's forward hooks see, and the
 * original's loss and gradient, as stored by `fixtures/make_matrix.py`.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type ConstantData, numbersOf, typedArray } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel, type Model } from '../../src/model/index.js';
import { readFixture } from '../support/safetensors.js';

interface Case {
  readonly name: string;
  readonly config: object;
  readonly inputs: { readonly pred: string; readonly target: string };
  readonly further: Readonly<Record<string, string>>;
  readonly loss: number;
  readonly grad: string;
  readonly hooks: readonly { readonly path: string; readonly class: string; readonly shape: readonly number[] }[];
}

const folder = fileURLToPath(new URL('../../fixtures/data/matrix/', import.meta.url));
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.onnx') ? [file.replace(/\.onnx$/, '')] : []));

const tensorOf = ({ dtype, shape, bytes }: ConstantData) => ({ dims: shape, data: typedArray(dtype, bytes) });

it.each(names)('%s', async (name) => {
  const fixture = readFixture<Case>(`matrix/${name}.safetensors`);
  const models = new Map<string, Promise<Model>>();
  for (const { name: kind, config, inputs, further, loss: expected, grad: gradKey, hooks } of fixture.cases) {
    const given = Object.entries(further).map(([key, tensor]) => [key, tensorOf(fixture.tensor(tensor))] as const);
    const path = `${folder}${name}.onnx`;
    const image = name.startsWith('sam-prompt') ? { input: 'image_embeddings' } : {};
    const key = JSON.stringify(further);
    const loading = models.get(key) ?? loadModel(path, { inputs: Object.fromEntries(given), ...image });
    models.set(key, loading);
    const model = await loading;
    const paths = new Set(hooks.map((hook) => hook.path));
    const loss = new GlobalPercLoss(
      model,
      GlobalPercConfig.fromJSON(config, {
        modulesToHook: [(modulePath) => paths.has(modulePath)],
        printData: false,
      }),
    );
    const {
      value,
      grad,
      hooks: found,
    } = await loss.valueAndGrad(tensorOf(fixture.tensor(inputs.pred)), tensorOf(fixture.tensor(inputs.target)));
    expect(found.map(({ path: hook, shape }) => [hook, shape])).toEqual(
      hooks.map(({ path: hook, shape }) => [hook, shape]),
    );
    if (name.endsWith('dynamo')) expect(found.map((hook) => hook.class)).toEqual(hooks.map((hook) => hook.class));
    expect(Math.abs(value / expected - 1), `${kind}: loss ${value}, PyTorch's ${expected}`).toBeLessThan(1e-3);
    const wanted = numbersOf(fixture.tensor(gradKey));
    const squares = (numbers: readonly number[]): number => Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));
    const error = squares(wanted.map((x, i) => x - Number(grad.data[i]))) / squares(wanted);
    expect(error, `${kind}: gradient`).toBeLessThan(1e-3);
    await loss.dispose();
  }
});
