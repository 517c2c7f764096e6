/** The noise that a model is trained with (Ho et al. 2020, https://huggingface.co/docs/diffusers/api/schedulers/ddpm). */
import { GlobalPercError } from '../../graph/index.js';
import type { TensorLike } from '../../model/index.js';
import { checkOptions, integer } from '../../options/index.js';
import { optionsOf } from '../config.js';
import { combined, type Latents, latents, type Mixture, originalOf } from './arithmetic.js';
import { alphasCumprodOf, type PredictionType, type ScheduleOptions, scheduleChecks } from './betas.js';
import { LEFT_OUT } from './left-out.js';

/**
 * The training schedule of diffusers' `DDPMScheduler`: how noisy a sample is at each timestep, and what a model has to
 * predict there. `Denoiser` trains with it; it does not sample.
 */
export class DDPM {
  static readonly className: string = 'DDPM';
  readonly numTrainTimesteps: number;
  readonly predictionType: PredictionType;
  /** ᾱ of each timestep: x_t = √ᾱ·x₀ + √(1 − ᾱ)·ε. */
  readonly alphasCumprod: Float32Array;

  /** @throws GlobalPercError on an option that is not known or out of range. */
  constructor(options: ScheduleOptions = {}) {
    const checked = checkOptions(options, scheduleChecks, 'DDPM');
    this.alphasCumprod = alphasCumprodOf(checked, 'DDPM');
    this.numTrainTimesteps = this.alphasCumprod.length;
    this.predictionType = checked.predictionType ?? 'epsilon';
  }

  /**
   * Of a `scheduler_config.json`, whatever sampler it names: the schedule of β and the prediction type are what counts.
   * @throws GlobalPercError for what is no such file, or has a value that is not known.
   */
  static fromConfig(config: unknown): DDPM {
    return new DDPM(optionsOf(config, scheduleChecks, LEFT_OUT, 'DDPM.fromConfig'));
  }

  /** α = √ᾱ and σ = √(1 − ᾱ) of a timestep. @throws GlobalPercError when there is no such timestep. */
  at(timestep: number): Mixture {
    const product = this.alphasCumprod[integer()(timestep, 'DDPM: timestep')];
    if (product === undefined) {
      throw new GlobalPercError(`DDPM: timestep ${timestep} should be from 0 to ${this.numTrainTimesteps - 1}`, {
        code: 'invalid-argument',
      });
    }
    return { alpha: Math.sqrt(product), sigma: Math.sqrt(1 - product) };
  }

  /** α²/σ², the signal-to-noise ratio of a timestep. */
  snr(timestep: number): number {
    const { alpha, sigma } = this.at(timestep);
    return (alpha / sigma) ** 2;
  }

  /**
   * The weight that min-SNR gives to the mean squared error at a timestep (Hang et al. 2023): min(SNR, γ) divided by SNR
   * for a model of the noise, by SNR + 1 for one of the velocity, by 1 for one of the clean sample.
   */
  minSnrWeight(timestep: number, gamma: number): number {
    const snr = this.snr(timestep);
    const least = Math.min(snr, gamma);
    if (this.predictionType === 'sample') return least;
    // Where nothing of the sample is left, the ratio has the limit 1.
    if (snr === 0) return this.predictionType === 'epsilon' ? 1 : 0;
    return least / (this.predictionType === 'epsilon' ? snr : snr + 1);
  }

  /**
   * √ᾱ·x₀ + √(1 − ᾱ)·ε.
   * @param timesteps one for each sample.
   * @throws GlobalPercError when shapes differ, or the timesteps are not as many as the samples.
   */
  addNoise(original: TensorLike, noise: TensorLike, timesteps: readonly number[]): Latents {
    return this.mixed(original, noise, timesteps, ({ alpha, sigma }) => [alpha, sigma]);
  }

  /** The velocity √ᾱ·ε − √(1 − ᾱ)·x₀. Arguments and errors as `addNoise`. */
  getVelocity(original: TensorLike, noise: TensorLike, timesteps: readonly number[]): Latents {
    return this.mixed(original, noise, timesteps, ({ alpha, sigma }) => [-sigma, alpha]);
  }

  /**
   * x₀ as a model's output says.
   * @throws GlobalPercError as `addNoise`.
   */
  predictOriginal(output: TensorLike, noisy: TensorLike, timesteps: readonly number[]): Latents {
    return this.eachSample(output, noisy, timesteps, (a, b, mixture) => originalOf(this.predictionType, a, b, mixture));
  }

  private mixed(
    original: TensorLike,
    noise: TensorLike,
    timesteps: readonly number[],
    factors: (mixture: Mixture) => readonly [number, number],
  ): Latents {
    return this.eachSample(original, noise, timesteps, (a, b, mixture) => {
      const [first, second] = factors(mixture);
      return combined([first, a], [second, b]);
    });
  }

  private eachSample(
    first: TensorLike,
    second: TensorLike,
    timesteps: readonly number[],
    compute: (first: Latents, second: Latents, mixture: Mixture) => Latents,
  ): Latents {
    const a = latents(first, 'the first tensor');
    const b = latents(second, 'the second tensor', a);
    const [samples = 1] = a.dims;
    if (timesteps.length !== samples) {
      throw new GlobalPercError(`DDPM: ${samples} samples need as many timesteps, got ${timesteps.length}`, {
        code: 'invalid-argument',
      });
    }
    const size = a.data.length / samples;
    const data = new Float32Array(a.data.length);
    for (const [i, timestep] of timesteps.entries()) {
      const part = ({ data }: Latents): Latents => ({ dims: [size], data: data.subarray(i * size, (i + 1) * size) });
      data.set(compute(part(a), part(b), this.at(timestep)).data, i * size);
    }
    return { dims: a.dims, data };
  }
}
