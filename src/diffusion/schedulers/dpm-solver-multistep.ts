import { boolean, type Checks, checkOptions, matching } from '../../options/index.js';
import { optionsOf } from '../config.js';
import { combined, type Latents, type Mixture, originalOf } from './arithmetic.js';
import { linspace } from './betas.js';
import { LEFT_OUT } from './left-out.js';
import { rounded, type SamplerStep, type SigmaOptions, SigmaSampler, sigmaChecks } from './sampler.js';

/** Options of DPMSolverMultistep. */
export interface DPMSolverMultistepOptions extends SigmaOptions {
  /** 2 is DPM++ 2M. Default 2. */
  readonly solverOrder?: 1 | 2;
  /** First order in the last step of fewer than 15. Default true. */
  readonly lowerOrderFinal?: boolean;
  /** First order in the last step. Default false. */
  readonly eulerAtFinal?: boolean;
}

const checks: Checks<DPMSolverMultistepOptions> = {
  ...sigmaChecks,
  solverOrder: matching((value): value is 1 | 2 => value === 1 || value === 2, '1 or 2'),
  lowerOrderFinal: boolean,
  eulerAtFinal: boolean,
};

/** Steps from which on the last may be of second order. */
const MANY = 15;

/** diffusers' `DPMSolverMultistepScheduler` with `dpmsolver++` and `midpoint`. */
export class DPMSolverMultistep extends SigmaSampler {
  static readonly className = 'DPMSolverMultistep';
  private readonly solver: Required<
    Pick<DPMSolverMultistepOptions, 'solverOrder' | 'lowerOrderFinal' | 'eulerAtFinal'>
  >;
  private readonly isCosine: boolean;
  /** x₀ of the step before. */
  private former: Latents | undefined;

  /** @throws GlobalPercError on an option that is not known or out of range. */
  constructor(options: DPMSolverMultistepOptions = {}) {
    const {
      solverOrder = 2,
      lowerOrderFinal = true,
      eulerAtFinal = false,
      ...rest
    } = checkOptions(options, checks, 'DPMSolverMultistep');
    super('DPMSolverMultistep', rest);
    this.solver = { solverOrder, lowerOrderFinal, eulerAtFinal };
    this.isCosine = rest.betaSchedule === 'squaredcos_cap_v2';
  }

  /** Of a `scheduler_config.json`. @throws GlobalPercError as the constructor, and for what is no such file. */
  static fromConfig(config: unknown): DPMSolverMultistep {
    return new DPMSolverMultistep(optionsOf(config, checks, LEFT_OUT, 'DPMSolverMultistep.fromConfig'));
  }

  get initNoiseSigma(): number {
    return 1;
  }

  protected override chosen(steps: number): readonly number[] {
    this.former = undefined;
    const total = this.numTrainTimesteps;
    const { timestepSpacing } = this;
    const timesteps =
      timestepSpacing === 'leading'
        ? this.leading(steps + 1, Math.floor(total / (steps + 1))).slice(0, -1)
        : timestepSpacing === 'trailing'
          ? this.trailing(steps)
          : linspace(0, total - 1, steps + 1)
              .map(rounded)
              .toReversed()
              .slice(0, -1);
    const placed = this.place(timesteps, [this.levels.at(-1) as number, this.levels[0] as number]);
    return placed.map((timestep) => (this.isCosine ? Math.trunc(timestep) : rounded(timestep)));
  }

  /** Equation 4.1 and, from the second step on, the midpoint form of the second order; h is the step in log(α/σ). */
  protected override advance(output: Latents, _: number, sample: Latents): SamplerStep {
    const [before, now, next] = [-1, 0, 1].map((i) => mixtureOf(this.sigmas[this.visited + i] ?? 0)) as [
      Mixture,
      Mixture,
      Mixture,
    ];
    const original = originalOf(this.predictionType, output, sample, now);
    const h = logRatio(next) - logRatio(now);
    const factor = -next.alpha * Math.expm1(-h);
    const terms: [number, Latents][] = [
      [next.sigma / now.sigma, sample],
      [factor, original],
    ];
    if (this.former && !this.isFirstOrder()) {
      const slope = (factor / 2) * (h / (logRatio(now) - logRatio(before)));
      terms.push([slope, original], [-slope, this.former]);
    }
    this.former = original;
    return { prevSample: combined(...terms), predOriginalSample: original };
  }

  private isFirstOrder(): boolean {
    const { solverOrder, lowerOrderFinal, eulerAtFinal } = this.solver;
    if (solverOrder === 1) return true;
    const isLast = this.visited === this.timesteps.length - 1;
    const short = lowerOrderFinal && this.timesteps.length < MANY;
    return isLast && (eulerAtFinal || short || this.finalSigmasType === 'zero');
  }
}

/** α and σ of a level σ/α, where α² + σ² = 1. */
const mixtureOf = (level: number): Mixture => {
  const alpha = 1 / Math.hypot(level, 1);
  return { alpha, sigma: level * alpha };
};

const logRatio = ({ alpha, sigma }: Mixture): number => Math.log(alpha) - Math.log(sigma);
