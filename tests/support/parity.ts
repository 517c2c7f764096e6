/**
 * The whole loss against the original in PyTorch: same models, same configurations; losses, hooks and gradients as stored by
 * `fixtures/make_models.py`.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type ConstantData, numbersOf, sizeOf, typedArray } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel, type TensorLike } from '../../src/model/index.js';
import { readFixture } from './safetensors.js';

interface Case {
  name: string;
  config: object;
  inputs: { pred: string; target: string };
  /** [pairs, 2, …pred]: what dynamicNormalization is measured on. */
  noise?: string;
  loss: number;
  grad: string;
  gradNoise: number;
  hooks: { index: number; path: string; class: string; shape: number[]; weight: number; loss: number }[];
}

const folder = new URL('../../fixtures/data/models/', import.meta.url);
const files = readdirSync(folder);
const names = files.filter((file) => file.endsWith('.safetensors')).map((file) => file.split('.')[0] as string);

function pairsOf({ shape: [pairs = 0, , ...dims], dtype, bytes }: ConstantData): [TensorLike, TensorLike][] {
  const data = typedArray(dtype, bytes) as Float32Array;
  const size = sizeOf(dims);
  const tensor = (i: number): TensorLike => ({ dims, data: data.subarray(i * size, (i + 1) * size) });
  return Array.from({ length: pairs }, (_, i) => [tensor(2 * i), tensor(2 * i + 1)]);
}

const norm = (values: readonly number[]): number => Math.hypot(...values);

/** @param most of the cases of a model, from the first, the typical one, on. */
export function expectParity(style: 'torchscript' | 'dynamo', most = Number.POSITIVE_INFINITY): void {
  describe.each(names.filter((name) => files.includes(`${name}.${style}.onnx`)))(`%s, ${style}`, (name) => {
    const fixture = readFixture<Case>(`models/${name}.safetensors`);
    const model = loadModel(fileURLToPath(new URL(`${name}.${style}.onnx`, folder)));
    const losses: GlobalPercLoss[] = [];
    afterAll(() => Promise.all(losses.map((loss) => loss.dispose())));

    it.each(fixture.cases.slice(0, most).map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
      const loss = new GlobalPercLoss(await model, GlobalPercConfig.fromJSON(test.config, { printData: false }));
      losses.push(loss);
      // PyTorch's generator cannot be replayed: its noise is stored.
      const { noise } = test;
      if (noise) loss.description.calibrationPairs = () => pairsOf(fixture.tensor(noise));
      const tensor = (key: string): TensorLike => {
        const { dtype, shape, bytes } = fixture.tensor(key);
        return { data: typedArray(dtype, bytes) as Float32Array, dims: [...shape] };
      };
      const [pred, target] = [tensor(test.inputs.pred), tensor(test.inputs.target)];
      const { value, grad, hooks } = await loss.valueAndGrad(pred, target);

      const described = hooks.map(({ index, path, class: className, shape }) => ({
        index,
        path,
        class: className,
        shape,
      }));
      expect(described).toEqual(
        test.hooks.map(({ index, path, class: className, shape }) => ({ index, path, class: className, shape })),
      );
      expect(Math.abs(value - test.loss)).toBeLessThanOrEqual(1e-4 * Math.abs(test.loss) + 1e-6);
      for (const [i, hook] of test.hooks.entries()) {
        expect(Math.abs((hooks[i]?.weight as number) - hook.weight)).toBeLessThanOrEqual(1e-4 * hook.weight);
        expect(Math.abs((hooks[i]?.loss as number) - hook.loss), hook.path).toBeLessThanOrEqual(
          1e-3 * Math.abs(hook.loss) + 1e-6,
        );
      }
      const ours = Array.from(grad.data as Float32Array);
      const theirs = numbersOf(fixture.tensor(test.grad));
      expect(ours.every(Number.isFinite), 'the gradient is finite').toBe(true);
      const difference = norm(ours.map((entry, i) => entry - (theirs[i] as number)));
      // At identical inputs the true gradient is 0, and what either side computes (10⁻¹⁴) is rounding alone.
      expect(difference).toBeLessThanOrEqual(1e-3 * norm(theirs) + 4 * test.gradNoise + 1e-12);
    });
  });
}
