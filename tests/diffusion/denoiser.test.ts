/** Training of denoisers against PyTorch and peft. See `fixtures/make_denoising.py`. */
import { describe, expect, it, vi } from 'vitest';
import { DDPM, Denoiser, loadLora, NoiseLoss, OnX0 } from '../../src/diffusion/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import * as criteria from '../../src/loss/criteria.js';
import type { Objective } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import * as nn from '../../src/nn/index.js';
import { Trainer } from '../../src/train/index.js';
import {
  adapted,
  type Case,
  data,
  denoiserOf,
  expectLosses,
  fixture,
  inputs,
  latents,
  lossOf,
  optimizer,
  seed,
  text,
} from '../support/denoising.js';
import { expectClose } from '../support/run.js';

it('trains as PyTorch does; a resumed run goes on exactly; a checkpoint holds the adapters alone', async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const [, test] = fixture.cases as [Case, Case];
  const trainerOf = async (): Promise<Trainer> =>
    Trainer.create(await denoiserOf(test), lossOf(test), optimizer(), { inputs, seed });
  await using first = await trainerOf();
  const { loss } = await first.step({ latents, text });
  const checkpoint = await first.checkpoint();
  const expected = await first.step({ latents, text });
  expectClose([loss, expected.loss], test.losses.slice(0, 2), 1e-4, 'losses of PyTorch');
  await using second = await trainerOf();
  await second.restore(checkpoint);
  expect(await second.step({ latents, text })).toEqual(expected);
  expect((await second.evaluate({ latents, text })).loss).toBe((await first.evaluate({ latents, text })).loss);
  const size = Object.values(checkpoint).reduce((sum, bytes) => sum + bytes.length, 0);
  const weights = Object.entries(second.student.stateDict()).filter(([key]) => key.includes('lora_'));
  // Weights, two moments each, and what names them.
  expect(size).toBeLessThan(3 * 4 * weights.reduce((sum, [, tensor]) => sum + tensor.data.length, 0) + 60_000);
});

it('an imported U-Net is called by the names of its inputs, and trains as the same in nn', async () => {
  const [test] = fixture.cases as [Case];
  const unet = await loadModel(`${data}/lora/unet.torchscript.onnx`, { trainable: true, input: 'sample' });
  await loadLora(unet, `${data}/lora/kohya.safetensors`);
  await expectLosses(test, 3, new Denoiser(unet, DDPM.fromConfig(test.config)));
});

describe('warns', () => {
  const [test] = fixture.cases as [Case];

  it('of latents that were not scaled, once', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    await using trainer = await Trainer.create(await denoiserOf(test), lossOf(test), optimizer(), { inputs, seed });
    warn.mockClear();
    const large = { ...latents, data: latents.data.map((value) => value / 0.18215) };
    await trainer.step({ latents: large, text });
    await trainer.step({ latents: large, text });
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      expect.stringMatching(/^warning: latents have the deviation 5\.\d\d, .*scalingFactor, 0.18215/),
    ]);
  });

  it('of a model that is trained as another kind than it was', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    new Denoiser(await adapted(), new DDPM({ predictionType: 'v_prediction' }));
    expect(warn).toHaveBeenLastCalledWith(
      "warning: the model's own scheduler_config.json says prediction_type 'epsilon', and it is trained here as 'v_prediction'; take pipeline.noise()",
    );
  });
});

describe('refuses', () => {
  const create = async (loss: Objective, student?: nn.AnyModule, shapes = inputs): Promise<unknown> =>
    Trainer.create(student ?? (await denoiserOf(fixture.cases[0] as Case)), loss, optimizer(), { inputs: shapes });

  it.each([
    [
      'another student',
      () => create(new NoiseLoss(), new nn.Bilinear(4, 4, 4), { latents: [1, 4], text: [1, 4] }),
      'NoiseLoss trains a Denoiser',
    ],
    [
      'latents of other channels',
      () => create(new NoiseLoss(), undefined, { latents: [1, 3, 8, 8], text: [1, 5, 6] }),
      'UNet2DConditionModel takes an input of shape [B, 4, H, W], got [1, 3, 8, 8]',
    ],
    [
      'a text of another width',
      () => create(new NoiseLoss(), undefined, { latents: [1, 4, 8, 8], text: [1, 5, 8] }),
      'text takes an input of shape [1, M, 6], got [1, 5, 8]',
    ],
    [
      'a clean sample where nothing is left of it',
      async () =>
        create(new OnX0(new criteria.L1Loss()), new Denoiser(await adapted(), new DDPM({ rescaleBetasZeroSnr: true }))),
      'nothing is left of the latents at timestep 999; set maxTimestep',
    ],
    [
      'a batch without halves for a prior',
      () => create(new NoiseLoss({ priorWeight: 1 }), undefined, { latents: [1, 4, 8, 8], text: [1, 5, 6] }),
      'a batch of 1 has no halves',
    ],
    [
      'what is no schedule',
      async () => new Denoiser(await adapted(), {} as DDPM),
      'Denoiser: schedule should be a noise schedule',
    ],
  ] as [string, () => Promise<unknown>, string][])('%s', async (_, task, message) => {
    const error = await task().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).toContain(message);
  });
});
