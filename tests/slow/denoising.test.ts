/** Training of denoisers against PyTorch and peft, for as long as the fixtures are. See `fixtures/make_denoising.py`. */
import { expect, it, vi } from 'vitest';
import { decoded, NoiseLoss, OnX0, PipelineFolder } from '../../src/diffusion/index.js';
import * as criteria from '../../src/loss/criteria.js';
import { Trainer } from '../../src/train/index.js';
import {
  type Case,
  data,
  denoiserOf,
  expectLosses,
  fixture,
  inputs,
  latents,
  optimizer,
  seed,
  text,
} from '../support/denoising.js';
import { expectClose } from '../support/run.js';

it.each(fixture.cases)('$name: the losses of 20 steps are those of PyTorch', async (test) => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await expectLosses(test, 20);
});

it('trains on decoded pictures', async () => {
  const map = decoded(await (await PipelineFolder.open(`${data}/pipeline`)).vae());
  const loss = new OnX0(new criteria.MappedLoss(new criteria.L1Loss(), map, { target: map }), { maxTimestep: 900 });
  await using trainer = await Trainer.create(await denoiserOf(fixture.cases[0] as Case), loss, optimizer(), {
    inputs,
    seed,
  });
  const losses: number[] = [];
  for (let step = 0; step < 3; step += 1) losses.push((await trainer.step({ latents, text })).loss);
  expect(losses.every((value) => value > 0 && Number.isFinite(value))).toBe(true);
  expect((await trainer.step({ latents, text })).gradNorm).toBeGreaterThan(0);
});

it('preserves what the second half of a batch shows: mean(first) + weight · mean(second), min-SNR aside', async () => {
  const [test] = fixture.cases as [Case];
  const samplesOf = async (loss: NoiseLoss) => {
    await using trainer = await Trainer.create(await denoiserOf(test), loss, optimizer(), { inputs, seed });
    return trainer.evaluate({ latents, text });
  };
  const plain = await samplesOf(new NoiseLoss());
  const weighed = await samplesOf(new NoiseLoss({ snrGamma: 0.01 }));
  const preserving = await samplesOf(new NoiseLoss({ snrGamma: 0.01, priorWeight: 0.7 }));
  const [[first], [, second]] = [weighed.samples, plain.samples] as unknown as [number[], number[]];
  expect(first).not.toBeCloseTo((plain.samples as ArrayLike<number>)[0] as number, 3);
  expectClose([preserving.loss], [(first as number) + 0.7 * (second as number)], 1e-6, 'loss');
});
