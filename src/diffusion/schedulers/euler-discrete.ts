/** Euler's method (Karras et al. 2022, algorithm 2 without churn; https://huggingface.co/docs/diffusers/api/schedulers/euler). */
import type { TensorLike } from '../../model/index.js';
import { checkOptions } from '../../options/index.js';
import { optionsOf } from '../config.js';
import { combined, type Latents, originalOf } from './arithmetic.js';
import { linspace } from './betas.js';
import { LEFT_OUT } from './left-out.js';
import { type SamplerStep, type SigmaOptions, SigmaSampler, sigmaChecks } from './sampler.js';

/** diffusers' `EulerDiscreteScheduler`. Samples are x₀ + σ·ε; the model is given them divided by √(σ² + 1). */
export class EulerDiscrete extends SigmaSampler {
  static readonly className = 'EulerDiscrete';

  /** @throws GlobalPercError on an option that is not known or out of range. */
  constructor(options: SigmaOptions = {}) {
    super('EulerDiscrete', checkOptions(options, sigmaChecks, 'EulerDiscrete'));
  }

  /** Of a `scheduler_config.json`. @throws GlobalPercError as the constructor, and for what is no such file. */
  static fromConfig(config: unknown): EulerDiscrete {
    return new EulerDiscrete(optionsOf(config, sigmaChecks, LEFT_OUT, 'EulerDiscrete.fromConfig'));
  }

  get initNoiseSigma(): number {
    const largest = Math.max(...(this.sigmas.length > 0 ? this.sigmas : this.levels));
    return this.timestepSpacing === 'leading' ? Math.hypot(largest, 1) : largest;
  }

  override scaleModelInput(sample: TensorLike, timestep: number): Latents {
    const given = super.scaleModelInput(sample, timestep);
    const sigma = this.sigmas[this.visited] as number;
    return combined([1 / Math.hypot(sigma, 1), given]);
  }

  protected override chosen(steps: number): readonly number[] {
    const total = this.numTrainTimesteps;
    const { timestepSpacing } = this;
    const timesteps =
      timestepSpacing === 'leading'
        ? this.leading(steps, Math.floor(total / steps))
        : timestepSpacing === 'trailing'
          ? this.trailing(steps)
          : linspace(0, total - 1, steps)
              .map(Math.fround)
              .toReversed();
    const [first, last] = [timesteps[0] as number, timesteps.at(-1) as number];
    return this.place(timesteps, [this.levelAt(first), this.levelAt(last)]).map(Math.fround);
  }

  /** x + (x − x₀)/σ·(σ′ − σ). */
  protected override advance(output: Latents, _: number, sample: Latents): SamplerStep {
    const [sigma, next] = this.sigmas.subarray(this.visited) as unknown as [number, number];
    // x/√(σ² + 1) is the mixture that x₀ is read of.
    const scale = 1 / Math.hypot(sigma, 1);
    const mixture = { alpha: scale, sigma: sigma * scale };
    const original = originalOf(this.predictionType, output, combined([scale, sample]), mixture);
    const ratio = next / sigma;
    return { prevSample: combined([ratio, sample], [1 - ratio, original]), predOriginalSample: original };
  }
}
