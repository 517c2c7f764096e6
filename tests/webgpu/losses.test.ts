/** Losses, models and a training step on the WebGPU provider, against the CPU. */
import { describe, expect, it } from 'vitest';
import { LPIPS, nn, optim, Trainer } from '../../src/index.js';
import { UNet } from '../../src/zoo/index.js';
import { noise } from '../adapters/student.js';
import { matrixFixture, matrixLoss, tensorOf } from '../support/matrix.js';
import { relativeError } from '../support/run.js';

const GPU = { session: { executionProviders: ['webgpu'] } } as const;
const TOLERANCE = 1e-3;

const expectSame = (found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void =>
  expect(relativeError(found, expected), what).toBeLessThan(TOLERANCE);

it('LPIPS: value, hooks, samples, gradient, map, mask, encoded target', async () => {
  await using cpu = new LPIPS();
  await using gpu = new LPIPS(GPU);
  const [pred, target] = [noise(2, 1), noise(2, 2)];
  const [found, expected] = [await gpu.valueAndGrad(pred, target), await cpu.valueAndGrad(pred, target)];
  expectSame([found.value], [expected.value], 'value');
  expectSame(found.samples ?? [], expected.samples ?? [], 'samples');
  expectSame(
    found.hooks.map(({ loss }) => loss),
    expected.hooks.map(({ loss }) => loss),
    'hooks',
  );
  expectSame(found.grad.data as Float32Array, expected.grad.data as Float32Array, 'gradient');
  expectSame((await gpu.map(pred, target)).map.data, (await cpu.map(pred, target)).map.data, 'map');
  const [, , height, width] = pred.dims as [number, number, number, number];
  const mask = {
    dims: [1, 1, height, width],
    data: Float32Array.from({ length: height * width }, (_, i) => (i % 3) / 2),
  };
  expectSame([await gpu.evaluate(pred, target, { mask })], [await cpu.evaluate(pred, target, { mask })], 'mask');
  await using encoded = await gpu.encode(target);
  expectSame([await gpu.evaluate(pred, encoded)], [expected.value], 'encoded target');
});

it.each([
  'clip-image-and-text.dynamo',
  'dinov2-transformers.torchscript',
  'dinov3-convnext.dynamo',
  'dinov3-vit.dynamo',
  'sam-image-encoder.dynamo',
  'sam-prompt-and-mask-decoder.torchscript',
  'segformer.dynamo',
  'taesd-decoder.torchscript',
  'vae-encoder.torchscript',
  'vit-transformers.torchscript',
])('%s', async (name) => {
  const { cases, tensor } = matrixFixture(name);
  const test = cases[0] as (typeof cases)[number];
  const [pred, target] = [tensorOf(tensor(test.inputs.pred)), tensorOf(tensor(test.inputs.target))];
  await using cpu = await matrixLoss(name, test);
  await using gpu = await matrixLoss(name, test, GPU);
  const [found, expected] = [await gpu.valueAndGrad(pred, target), await cpu.valueAndGrad(pred, target)];
  expectSame([found.value], [expected.value], 'value');
  expectSame(found.grad.data as Float32Array, expected.grad.data as Float32Array, 'gradient');
});

describe('a training step of a U-Net with AdamW', () => {
  /** Losses of three steps, what the student then makes of its input, and its weights. */
  async function trained(session: object, resumed: boolean) {
    nn.manualSeed(0);
    const student = new UNet(3, 4, 3);
    const [input, target] = [noise(2, 1), noise(2, 2)];
    const options = { batch: input.dims, clipGradNorm: 1, ema: 0.9, session };
    const trainer = await Trainer.create(student, new nn.MSELoss(), new optim.AdamW({ lr: 1e-3 }), options);
    const losses: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const { loss, gradNorm } = await trainer.step(input, target);
      losses.push(loss, gradNorm);
      if (resumed) await trainer.restore(await trainer.checkpoint());
    }
    const { data } = await trainer.predict(input, { ema: true });
    const evaluated = (await trainer.evaluate(input, target)).loss;
    await trainer.dispose();
    return { losses, data, evaluated };
  }

  it.each([
    ['whose state stays on the device', false],
    ['whose state is brought back and given again', true],
  ])('%s', async (_, resumed) => {
    const [found, expected] = [await trained(GPU.session, resumed), await trained({}, false)];
    expectSame(found.losses, expected.losses, 'losses');
    expectSame([found.evaluated], [expected.evaluated], 'evaluation');
    expectSame(found.data, expected.data, 'prediction by the averaged weights');
  });
});
