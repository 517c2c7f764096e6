/** The noise of each timestep, by diffusers' schedules (https://huggingface.co/docs/diffusers/api/schedulers/overview). */
import { GlobalPercError } from '../../graph/index.js';
import { boolean, type Checks, count, listOf, number, oneOf } from '../../options/index.js';

/** What a model predicts: the noise, the velocity α·ε − σ·x₀ (Salimans and Ho 2022), or the clean sample. */
export type PredictionType = 'epsilon' | 'v_prediction' | 'sample';

/** How β grows from the first timestep to the last. */
export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';

/** Options that all schedulers have, under the names of `scheduler_config.json` in camelCase. */
export interface ScheduleOptions {
  /** Timesteps that the model was trained for. Default 1000. */
  readonly numTrainTimesteps?: number;
  /** β of the first timestep. Default 0.0001; Stable Diffusion has 0.00085. */
  readonly betaStart?: number;
  /** β of the last timestep. Default 0.02; Stable Diffusion has 0.012. */
  readonly betaEnd?: number;
  /** Default `linear`; Stable Diffusion has `scaled_linear`. */
  readonly betaSchedule?: BetaSchedule;
  /** The β of every timestep, in the place of a schedule. */
  readonly trainedBetas?: readonly number[];
  /** What the model predicts. Default `epsilon`. */
  readonly predictionType?: PredictionType;
  /** Rescale β so that the last timestep is noise alone (Lin et al. 2023, algorithm 1). Default false. */
  readonly rescaleBetasZeroSnr?: boolean;
}

export const scheduleChecks: Checks<ScheduleOptions> = {
  numTrainTimesteps: count,
  betaStart: number({ above: 0, below: 1 }),
  betaEnd: number({ above: 0, below: 1 }),
  betaSchedule: oneOf('linear', 'scaled_linear', 'squaredcos_cap_v2'),
  trainedBetas: listOf(number({ least: 0, most: 1 })),
  predictionType: oneOf('epsilon', 'v_prediction', 'sample'),
  rescaleBetasZeroSnr: boolean,
};

/** `size` numbers from `first` to `last`, in equal steps. */
export const linspace = (first: number, last: number, size: number): number[] =>
  Array.from({ length: size }, (_, i) => (size === 1 ? first : first + ((last - first) * i) / (size - 1)));

/** ᾱ(t) of the cosine schedule, t in [0, 1] (Nichol and Dhariwal 2021). */
const cosine = (t: number): number => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;

const MAX_BETA = 0.999;

function betasOf(options: ScheduleOptions): Float32Array {
  const { numTrainTimesteps = 1000, betaStart = 0.0001, betaEnd = 0.02, betaSchedule = 'linear' } = options;
  if (betaSchedule === 'linear') return Float32Array.from(linspace(betaStart, betaEnd, numTrainTimesteps));
  if (betaSchedule === 'scaled_linear') {
    const roots = linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), numTrainTimesteps);
    return Float32Array.from(roots, (root) => Math.fround(root) ** 2);
  }
  return Float32Array.from({ length: numTrainTimesteps }, (_, i) =>
    Math.min(1 - cosine((i + 1) / numTrainTimesteps) / cosine(i / numTrainTimesteps), MAX_BETA),
  );
}

function cumulative(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => {
    product *= Math.fround(1 - beta);
    return product;
  });
}

/** √ᾱ shifted so that the last is 0 and stretched so that the first stays. */
function withZeroTerminal(products: Float32Array): Float32Array {
  const roots = Array.from(products, Math.sqrt);
  const [first, last] = [roots[0] as number, roots.at(-1) as number];
  return Float32Array.from(roots, (root) => (((root - last) * first) / (first - last)) ** 2);
}

/**
 * ᾱ of every timestep, the product of 1 − β up to it: x_t = √ᾱ·x₀ + √(1 − ᾱ)·ε.
 * @param where names who asks, for messages.
 * @throws GlobalPercError when `trainedBetas` are not as many as the timesteps.
 */
export function alphasCumprodOf(options: ScheduleOptions, where: string): Float32Array {
  const { numTrainTimesteps = 1000, trainedBetas, rescaleBetasZeroSnr = false } = options;
  if (trainedBetas !== undefined && trainedBetas.length !== numTrainTimesteps) {
    throw new GlobalPercError(
      `${where}: trainedBetas has ${trainedBetas.length} numbers, numTrainTimesteps is ${numTrainTimesteps}; give one for each timestep`,
      { code: 'invalid-option' },
    );
  }
  const products = cumulative(trainedBetas ? Float32Array.from(trainedBetas) : betasOf(options));
  return rescaleBetasZeroSnr ? withZeroTerminal(products) : products;
}
