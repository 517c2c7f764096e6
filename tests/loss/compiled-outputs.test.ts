/** Compiled files with outputs beside loss and gradient, and with a mask. */
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import type { Tensor as Symbolic } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { Conv2d } from '../../src/nn/index.js';
import { Generator } from '../../src/random/index.js';

const generator = new Generator(5);
const random = (...dims: number[]) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()),
});
const SHAPE = [2, 3, 32, 32];
const made = async (lossFunc = {}) =>
  new GlobalPercLoss(
    await loadModel(fileURLToPath(new URL('../../fixtures/data/models/vgg.torchscript.onnx', import.meta.url))),
    new GlobalPercConfig({ modulesToHook: [Conv2d], printData: false, ...lossFunc }),
  );

it('samples, map and mask are what the loss gives', async () => {
  await using loss = await made();
  const session = await InferenceSession.create(await loss.compile(SHAPE, { outputs: ['samples', 'map'], mask: true }));
  expect(session.inputNames).toEqual(['pred', 'target', 'mask']);
  expect(session.outputNames).toEqual(['loss', 'grad', 'hook_losses', 'samples', 'hook_samples', 'map']);
  const [pred, target, mask] = [random(...SHAPE), random(...SHAPE), random(2, 1, 32, 32)];
  const feeds = Object.entries({ pred, target, mask }).map(([name, { dims, data }]) => [
    name,
    new Tensor('float32', data, dims),
  ]);
  const outputs = await session.run(Object.fromEntries(feeds));
  const { value, grad, samples } = await loss.valueAndGrad(pred, target, { mask });
  const floats = (name: string) => outputs[name]?.data as Float32Array;
  expect(floats('loss')[0]).toBeCloseTo(value, 5);
  expect(Math.max(...grad.data.map((entry, i) => Math.abs(entry - (floats('grad')[i] as number))))).toBeLessThan(1e-6);
  expect(Array.from(floats('samples'))).toEqual(
    Array.from(samples as Float32Array, (sample) => expect.closeTo(sample, 5)),
  );
  expect(outputs.map?.dims).toEqual([2, 1, 32, 32]);
  const { map } = await loss.map(pred, target);
  expect(Math.max(...map.data.map((entry, i) => Math.abs(entry - (floats('map')[i] as number))))).toBeLessThan(1e-5);
});

it('has neither by default, and refuses what cannot be had', async () => {
  await using loss = await made();
  const plain = await InferenceSession.create(await loss.compile(SHAPE));
  expect([plain.inputNames, plain.outputNames]).toEqual([
    ['pred', 'target'],
    ['loss', 'grad', 'hook_losses'],
  ]);
  await expect(loss.compile(SHAPE, { outputs: ['maps' as 'map'] })).rejects.toThrow(
    /compile: outputs.*samples.*map.*'?maps/,
  );
  await using own = await made({ lossFunc: { forward: (a: Symbolic, b: Symbolic) => a.sub(b).abs().mean() } });
  await expect(own.compile(SHAPE, { outputs: ['samples'] })).rejects.toThrow(
    /samples cannot be told apart: a distance has no elements/,
  );
});
