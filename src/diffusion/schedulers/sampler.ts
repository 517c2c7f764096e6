/** What samplers share: which timesteps they visit, and how noisy a sample is there. */
import { GlobalPercError } from '../../graph/index.js';
import type { TensorLike } from '../../model/index.js';
import { boolean, type Checks, count, integer, oneOf } from '../../options/index.js';
import { type Latents, latents } from './arithmetic.js';
import { alphasCumprodOf, linspace, type PredictionType, type ScheduleOptions, scheduleChecks } from './betas.js';

/** Which timesteps of the training are visited (Lin et al. 2023, table 2). */
export type TimestepSpacing = 'leading' | 'trailing' | 'linspace';

/** Options that all samplers have. */
export interface SamplerOptions extends ScheduleOptions {
  /** Default `leading` for DDIM, `linspace` for the others. */
  readonly timestepSpacing?: TimestepSpacing;
  /** Added to the timesteps of `leading`; Stable Diffusion has 1. Default 0. */
  readonly stepsOffset?: number;
}

export const samplerChecks: Checks<SamplerOptions> = {
  ...scheduleChecks,
  timestepSpacing: oneOf('leading', 'trailing', 'linspace'),
  stepsOffset: integer(0),
};

/** Options of samplers that walk along noise levels σ/α. */
export interface SigmaOptions extends SamplerOptions {
  /** Place the noise levels as Karras et al. 2022 (equation 5, ρ = 7). Default false. */
  readonly useKarrasSigmas?: boolean;
  /** Where the last step leads: to no noise, or to that of the first timestep. Default `zero`. */
  readonly finalSigmasType?: 'zero' | 'sigma_min';
}

export const sigmaChecks: Checks<SigmaOptions> = {
  ...samplerChecks,
  useKarrasSigmas: boolean,
  finalSigmasType: oneOf('zero', 'sigma_min'),
};

/** What a step gives. */
export interface SamplerStep {
  /** The sample, less noisy. */
  readonly prevSample: Latents;
  /** The clean sample that the model's output points at. */
  readonly predOriginalSample: Latents;
}

/** To the nearest integer, halves to the even one, as NumPy rounds. */
export function rounded(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * A sampler: `setTimesteps`, then for each of `timesteps` a call of the model with `scaleModelInput(sample, t)`, and `step`
 * with what it gave. The first sample is noise of deviation `initNoiseSigma`.
 */
export abstract class Sampler {
  readonly numTrainTimesteps: number;
  readonly predictionType: PredictionType;
  readonly timestepSpacing: TimestepSpacing;
  readonly stepsOffset: number;
  /** ᾱ of each timestep of the training. */
  readonly alphasCumprod: Float32Array;
  /** Those to visit, the noisiest first; empty before `setTimesteps`. */
  timesteps: readonly number[] = [];
  /** How many were visited. */
  protected visited = 0;

  constructor(where: string, options: SamplerOptions, spacing: TimestepSpacing) {
    this.alphasCumprod = alphasCumprodOf(options, where);
    this.numTrainTimesteps = this.alphasCumprod.length;
    this.predictionType = options.predictionType ?? 'epsilon';
    this.timestepSpacing = options.timestepSpacing ?? spacing;
    this.stepsOffset = options.stepsOffset ?? 0;
  }

  /** Deviation of the noise that sampling starts with. */
  abstract get initNoiseSigma(): number;

  /** Chooses `steps` timesteps, and begins anew. @throws GlobalPercError when there are not as many. */
  setTimesteps(steps: number): void {
    if (count(steps, 'setTimesteps: steps') > this.numTrainTimesteps) {
      throw new GlobalPercError(
        `setTimesteps: steps should be at most the ${this.numTrainTimesteps} timesteps of the training, got ${steps}`,
        { code: 'invalid-argument' },
      );
    }
    this.visited = 0;
    this.timesteps = this.chosen(steps);
    const [first = 0] = this.timesteps;
    if (first >= this.numTrainTimesteps) {
      throw new GlobalPercError(
        `setTimesteps: ${steps} steps with stepsOffset ${this.stepsOffset} begin at timestep ${first}, the last of the training is ${this.numTrainTimesteps - 1}; take fewer steps`,
        { code: 'invalid-argument' },
      );
    }
  }

  protected abstract chosen(steps: number): readonly number[];

  /** The sample as the model is given it at the next timestep. @throws GlobalPercError when that is another, or for what is no sample. */
  scaleModelInput(sample: TensorLike, timestep: number): Latents {
    this.requireNext(timestep);
    return latents(sample, 'scaleModelInput: sample');
  }

  /**
   * From the noise of a timestep to that of the next one in `timesteps`.
   * @param output of the model; with guidance, see `guided`.
   * @throws GlobalPercError when the timestep is not the next one, or the shapes differ.
   */
  step(output: TensorLike, timestep: number, sample: TensorLike): SamplerStep {
    this.requireNext(timestep);
    const noisy = latents(sample, 'step: sample');
    const result = this.advance(latents(output, 'step: output', noisy), timestep, noisy);
    this.visited += 1;
    return result;
  }

  /** @throws GlobalPercError when the timestep is not the next one. */
  protected requireNext(timestep: number): void {
    const expected = this.timesteps[this.visited];
    if (timestep === expected) return;
    const next = expected === undefined ? 'none is left' : `${expected} is next`;
    throw new GlobalPercError(`timestep ${timestep} is out of turn: ${next}; call setTimesteps to begin anew`, {
      code: 'invalid-argument',
    });
  }

  protected abstract advance(output: Latents, timestep: number, sample: Latents): SamplerStep;

  /** `leading`: multiples of ⌊T/steps⌋, the largest first. */
  protected leading(steps: number, ratio: number): number[] {
    return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + this.stepsOffset);
  }

  /** `trailing`: back from the last timestep in steps of T/steps. */
  protected trailing(steps: number): number[] {
    const ratio = this.numTrainTimesteps / steps;
    return Array.from({ length: steps }, (_, i) => rounded(this.numTrainTimesteps - i * ratio) - 1);
  }
}

const RHO = 7;

/** A sampler along noise levels σ/α. */
export abstract class SigmaSampler extends Sampler {
  readonly useKarrasSigmas: boolean;
  readonly finalSigmasType: 'zero' | 'sigma_min';
  /** σ/α at each of `timesteps`, and where the last step leads. */
  sigmas: Float32Array = new Float32Array();
  /** σ/α of each timestep of the training. */
  protected readonly levels: Float32Array;

  constructor(where: string, options: SigmaOptions) {
    super(where, options, 'linspace');
    // As near to 0 as float16 comes: the first level is then finite.
    if (options.rescaleBetasZeroSnr) this.alphasCumprod[this.numTrainTimesteps - 1] = 2 ** -24;
    this.levels = this.alphasCumprod.map((product) => Math.sqrt((1 - product) / product));
    this.useKarrasSigmas = options.useKarrasSigmas ?? false;
    this.finalSigmasType = options.finalSigmasType ?? 'zero';
  }

  /** Sets the levels; `karras` are those between which `useKarrasSigmas` places its own. @returns the timesteps. */
  protected place(timesteps: readonly number[], karras: readonly [first: number, last: number]): readonly number[] {
    const levels = this.useKarrasSigmas
      ? linspace(karras[0] ** (1 / RHO), karras[1] ** (1 / RHO), timesteps.length).map((root) => root ** RHO)
      : timesteps.map((timestep) => this.levelAt(timestep));
    const last = this.finalSigmasType === 'zero' ? 0 : (this.levels[0] as number);
    this.sigmas = Float32Array.from([...levels, last]);
    return this.useKarrasSigmas ? levels.map((level) => this.timestepAt(level)) : timesteps;
  }

  /** The level of a timestep, also between two. */
  protected levelAt(timestep: number): number {
    const last = this.numTrainTimesteps - 1;
    const [at, rest] = timestep >= last ? [last, 0] : [Math.floor(timestep), timestep % 1];
    const level = this.levels[at] as number;
    return rest === 0 ? level : level + rest * ((this.levels[at + 1] as number) - level);
  }

  /** The timestep of a level, by its logarithm. */
  private timestepAt(level: number): number {
    const wanted = Math.log(Math.max(level, 1e-10));
    const logs = Array.from(this.levels, Math.log);
    const above = logs.findIndex((log) => log > wanted);
    const low = Math.min(Math.max((above < 0 ? logs.length : above) - 1, 0), logs.length - 2);
    const [from, to] = [logs[low] as number, logs[low + 1] as number];
    return low + Math.min(Math.max((from - wanted) / (from - to), 0), 1);
  }
}
