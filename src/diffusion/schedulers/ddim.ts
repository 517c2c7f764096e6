import { boolean, type Checks, checkOptions, positive } from '../../options/index.js';
import { optionsOf } from '../config.js';
import { combined, type Latents, noiseOf, originalOf } from './arithmetic.js';
import { linspace } from './betas.js';
import { LEFT_OUT } from './left-out.js';
import { rounded, Sampler, type SamplerOptions, type SamplerStep, samplerChecks } from './sampler.js';

/** Options of DDIM. */
export interface DDIMOptions extends SamplerOptions {
  /** Limit the clean sample to ±clipSampleRange. Default true; Stable Diffusion has false. */
  readonly clipSample?: boolean;
  /** Default 1. */
  readonly clipSampleRange?: number;
  /** Whether the last step leads to no noise at all, and not to that of timestep 0. Default true; Stable Diffusion has false. */
  readonly setAlphaToOne?: boolean;
}

const checks: Checks<DDIMOptions> = {
  ...samplerChecks,
  clipSample: boolean,
  clipSampleRange: positive,
  setAlphaToOne: boolean,
};

/** diffusers' `DDIMScheduler` with η = 0. */
export class DDIM extends Sampler {
  static readonly className = 'DDIM';
  readonly clipSampleRange: number;
  /** ᾱ where the last step leads. */
  readonly finalAlphaCumprod: number;

  /** @throws GlobalPercError on an option that is not known or out of range. */
  constructor(options: DDIMOptions = {}) {
    const checked = checkOptions(options, checks, 'DDIM');
    super('DDIM', checked, 'leading');
    this.clipSampleRange = (checked.clipSample ?? true) ? (checked.clipSampleRange ?? 1) : Number.POSITIVE_INFINITY;
    this.finalAlphaCumprod = (checked.setAlphaToOne ?? true) ? 1 : (this.alphasCumprod[0] as number);
  }

  /** Of a `scheduler_config.json`. @throws GlobalPercError as the constructor, and for what is no such file. */
  static fromConfig(config: unknown): DDIM {
    return new DDIM(optionsOf(config, checks, LEFT_OUT, 'DDIM.fromConfig'));
  }

  get initNoiseSigma(): number {
    return 1;
  }

  protected override chosen(steps: number): readonly number[] {
    const total = this.numTrainTimesteps;
    if (this.timestepSpacing === 'leading') return this.leading(steps, Math.floor(total / steps));
    if (this.timestepSpacing === 'trailing') return this.trailing(steps);
    return linspace(0, total - 1, steps)
      .map(rounded)
      .toReversed();
  }

  /** √ᾱ′·x₀ + √(1 − ᾱ′)·ε, equation 12. */
  protected override advance(output: Latents, timestep: number, sample: Latents): SamplerStep {
    const mixtureOf = (product: number) => ({ alpha: Math.sqrt(product), sigma: Math.sqrt(1 - product) });
    const now = mixtureOf(this.alphasCumprod[timestep] as number);
    const before = timestep - Math.floor(this.numTrainTimesteps / this.timesteps.length);
    const next = mixtureOf(before >= 0 ? (this.alphasCumprod[before] as number) : this.finalAlphaCumprod);
    const limit = this.clipSampleRange;
    const original = originalOf(this.predictionType, output, sample, now);
    const clipped = { ...original, data: original.data.map((value) => Math.min(Math.max(value, -limit), limit)) };
    const noise = noiseOf(this.predictionType, output, sample, now);
    return { prevSample: combined([next.alpha, clipped], [next.sigma, noise]), predOriginalSample: clipped };
  }
}
