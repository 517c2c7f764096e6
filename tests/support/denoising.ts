/** What `fixtures/make_denoising.py` trains. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { DDPM, Denoiser, loadLora, NoiseLoss, OnX0, PipelineFolder } from '../../src/diffusion/index.js';
import * as criteria from '../../src/loss/criteria.js';
import type { Objective } from '../../src/loss/index.js';
import type * as nn from '../../src/nn/index.js';
import { AdamW } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { hostOf, readFixture } from './safetensors.js';

export interface Case {
  readonly name: string;
  readonly config: object;
  readonly snrGamma?: number;
  readonly noiseOffset?: number;
  readonly maxTimestep?: number;
  readonly onX0?: number;
  readonly losses: readonly number[];
}

export const fixture = readFixture<Case>('diffusion/training.safetensors');
export const data = fileURLToPath(new URL('../../fixtures/data/diffusion', import.meta.url));
export const latents = hostOf(fixture.tensor('latents'));
export const text = hostOf(fixture.tensor('text'));
export const inputs = { latents: latents.dims, text: text.dims };
export const seed = fixture.about<number>('seed');

export async function adapted(): Promise<nn.Module> {
  const unet = await (await PipelineFolder.open(`${data}/pipeline`)).unet();
  await loadLora(unet, `${data}/lora/kohya.safetensors`);
  return unet;
}

export function lossOf({ snrGamma, onX0, maxTimestep }: Case): Objective {
  const noise = new NoiseLoss(snrGamma ? { snrGamma } : {});
  if (onX0 === undefined) return noise;
  const clean = new OnX0(new criteria.MSELoss(), maxTimestep ? { maxTimestep } : {});
  return new criteria.WeightedLoss([
    [noise, 1],
    [clean, onX0],
  ]);
}

export const denoiserOf = async ({ config, noiseOffset = 0 }: Case): Promise<Denoiser> =>
  new Denoiser(await adapted(), DDPM.fromConfig(config), { noiseOffset });

export const optimizer = (): AdamW => new AdamW({ lr: fixture.about<number>('lr') });

/** The first steps of a case have PyTorch's losses. */
export async function expectLosses(test: Case, steps: number, student?: Denoiser): Promise<void> {
  await using trainer = await Trainer.create(student ?? (await denoiserOf(test)), lossOf(test), optimizer(), {
    inputs,
    seed,
  });
  for (const [step, expected] of test.losses.slice(0, steps).entries()) {
    const { loss } = await trainer.step({ latents, text });
    expect(Math.abs(loss - expected) / expected, `step ${step + 1}`).toBeLessThan(1e-4);
  }
}
