/** What a Denoiser is trained with: the loss of its prediction, and losses of the clean sample that it points at. */
import { concat, GlobalPercError, type Tensor, type TensorType } from '../graph/index.js';
import {
  type Comparison,
  DescriptionAround,
  descriptionOf,
  type Features,
  type LossDescription,
  type Objective,
  placeless,
  requireObjective,
  type Scene,
  sceneWith,
} from '../loss/index.js';
import { type Checks, checkOptions, count, positive } from '../options/index.js';
import type { HostTensor } from '../runtime/index.js';
import { Denoiser, mixtureAt, pick } from './denoiser.js';
import type { DDPM } from './schedulers/index.js';

/** What a Denoiser has done in a step. */
interface Denoised {
  readonly schedule: DDPM;
  readonly latents: Tensor;
  readonly prediction: Tensor;
  readonly noise: Tensor;
  readonly timesteps: Tensor;
  readonly noisy: Tensor;
}

/** @throws GlobalPercError where the student is another. */
function denoised({ student }: Scene, where: string): Denoised {
  if (!(student?.module instanceof Denoiser)) {
    throw new GlobalPercError(`${where} trains a Denoiser: new Denoiser(unet, schedule)`, { code: 'invalid-option' });
  }
  const [prediction, noise, timesteps, noisy] = student.outputs as [Tensor, Tensor, Tensor, Tensor];
  return { schedule: student.module.schedule, latents: student.input, prediction, noise, timesteps, noisy };
}

/** Latents of Stable Diffusion have a deviation near 1 when they are scaled, and near 5 when not. */
const UNSCALED = 2.5;

/** Warns, once, of latents that were not multiplied by the autoencoder's factor. */
class LatentsWarning {
  private done = false;

  inspect(name: string, { data }: HostTensor): void {
    if (this.done || name !== 'input' || !(data instanceof Float32Array)) return;
    const deviation = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
    if (deviation < UNSCALED) return;
    this.done = true;
    console.warn(
      `warning: latents have the deviation ${deviation.toFixed(2)}, a model expects about 1; multiply them by the autoencoder's scalingFactor, 0.18215 for Stable Diffusion 1 and 2`,
    );
  }
}

/** Options of NoiseLoss. */
export interface NoiseLossOptions {
  /** γ of min-SNR (Hang et al. 2023), e.g. 5: timesteps with little noise count less. Default: all count alike. */
  readonly snrGamma?: number;
  /**
   * Prior preservation (Ruiz et al. 2022, DreamBooth): the second half of every batch are pictures of the class, whose mean error is added
   * with this weight, min-SNR aside: `mean(first) + priorWeight·mean(second)`. Default: none are.
   */
  readonly priorWeight?: number;
}

const noiseChecks: Checks<NoiseLossOptions> = { snrGamma: positive, priorWeight: positive };

/**
 * The mean squared error of what a Denoiser predicts: of the noise, the velocity or the clean sample, as its schedule says; with
 * `snrGamma`, each sample weighed by its timestep.
 */
export class NoiseLoss implements Objective {
  readonly description: LossDescription<Tensor>;

  /** @throws GlobalPercError on an option that is not known or out of range. */
  constructor(options: NoiseLossOptions = {}) {
    const { snrGamma, priorWeight } = checkOptions(options, noiseChecks, 'NoiseLoss');
    const warning = new LatentsWarning();
    this.description = {
      // biome-ignore-start lint/correctness/useYield: nothing to ask the engine
      *prediction(scene) {
        return denoised(scene, 'NoiseLoss').prediction;
      },
      *target(scene) {
        return wantedOf(denoised(scene, 'NoiseLoss'));
      },
      // biome-ignore-end lint/correctness/useYield: nothing to ask the engine
      compare(prediction, target, scene) {
        const { schedule, timesteps } = denoised(scene, 'NoiseLoss');
        const error = prediction.sub(target).square();
        const samples = error.mean(error.shape.map((_, axis) => axis).slice(1));
        const weights = snrGamma && minSnrWeights(schedule, snrGamma);
        const weighed = weights ? samples.mul(pick(weights, timesteps, 1)) : samples;
        return ofSamples(priorWeight === undefined ? weighed : preserving(weighed, samples, priorWeight));
      },
      inspect: (name, image) => warning.inspect(name, image),
    };
  }
}

const minSnrWeights = (schedule: DDPM, gamma: number): number[] =>
  Array.from({ length: schedule.numTrainTimesteps }, (_, timestep) => schedule.minSnrWeight(timestep, gamma));

/** Samples whose mean is that of the first half and, weighed, that of the second: both halves count twice in a mean over all. */
function preserving(first: Tensor, second: Tensor, weight: number): Tensor {
  const batch = first.dim(0);
  if (batch % 2 === 0) {
    const half = batch / 2;
    return concat([first.slice([0], [0], [half]).mul(2), second.slice([0], [half], [batch]).mul(2 * weight)], 0);
  }
  throw new GlobalPercError(
    `NoiseLoss: with priorWeight the second half of a batch are pictures of the class; a batch of ${batch} has no halves`,
    { code: 'invalid-option' },
  );
}

/** What the model should predict. */
function wantedOf({ schedule, latents, noise, timesteps }: Denoised): Tensor {
  if (schedule.predictionType === 'sample') return latents;
  if (schedule.predictionType === 'epsilon') return noise;
  const { alpha, sigma } = mixtureAt(schedule, timesteps, latents.rank);
  return noise.mul(alpha).sub(latents.mul(sigma));
}

/** The mean over samples `[B]`. */
const ofSamples = (samples: Tensor): Comparison => ({
  loss: samples.mean(),
  hooks: [],
  summands: [{ weight: 1, part: placeless(() => samples) }],
});

/** Options of OnX0. */
export interface OnX0Options {
  /** Samples whose timestep is this or a later one count nothing: their x̂₀ is a guess. Default: all count. */
  readonly maxTimestep?: number;
}

const x0Checks: Checks<OnX0Options> = { maxTimestep: count };

/**
 * Any loss of x̂₀ = (x_t − σ·ε̂)/α, the clean latents that the prediction points at, against the latents themselves; for pictures,
 * of `nn.MappedLoss` with `decoded(vae)`. Samples beyond `maxTimestep` count as 0 in the mean.
 */
export class OnX0 implements Objective {
  readonly description: LossDescription;

  /** @throws GlobalPercError for what is no loss, and on an option that is not known or out of range. */
  constructor(loss: Objective, options: OnX0Options = {}) {
    requireObjective(loss, 'OnX0');
    this.description = new CleanSample(loss, checkOptions(options, x0Checks, 'OnX0').maxTimestep);
  }
}

class CleanSample extends DescriptionAround {
  private readonly loss: Objective;
  private readonly maxTimestep: number | undefined;

  constructor(loss: Objective, maxTimestep: number | undefined) {
    super();
    this.loss = loss;
    this.maxTimestep = maxTimestep;
  }

  override get inner(): LossDescription {
    return descriptionOf(this.loss);
  }

  targetType(output: TensorType): TensorType {
    return output;
  }

  override compare(prediction: Features, target: Features, scene: Scene): Comparison {
    const comparison = this.inner.compare(prediction, target, this.seen(scene));
    const gate = this.gate(denoised(scene, 'OnX0'));
    return gate === undefined ? comparison : gated(comparison, gate);
  }

  /** The scene whose output is x̂₀, and whose target are the latents. */
  protected override shown(scene: Scene): Scene {
    const all = denoised(scene, 'OnX0');
    return sceneWith(scene, { output: () => this.x0(all), target: () => all.latents });
  }

  private x0({ schedule, prediction, timesteps, noisy }: Denoised): Tensor {
    if (schedule.predictionType === 'sample') return prediction;
    const { alpha, sigma } = mixtureAt(schedule, timesteps, noisy.rank);
    if (schedule.predictionType === 'v_prediction') return noisy.mul(alpha).sub(prediction.mul(sigma));
    return noisy.sub(prediction.mul(sigma)).div(this.divisor(schedule, timesteps, noisy.rank));
  }

  /** α, and 1 where the sample counts nothing: a schedule that ends with noise alone has α = 0 there. */
  private divisor({ alphasCumprod }: DDPM, timesteps: Tensor, rank: number): Tensor {
    const last = this.maxTimestep ?? alphasCumprod.length;
    if (last === alphasCumprod.length && alphasCumprod.at(-1) === 0) {
      throw new GlobalPercError(
        `OnX0: with rescaleBetasZeroSnr nothing is left of the latents at timestep ${last - 1}; set maxTimestep`,
        { code: 'invalid-option' },
      );
    }
    const table = Array.from(alphasCumprod, (product, timestep) => (timestep < last ? Math.sqrt(product) : 1));
    return pick(table, timesteps, rank);
  }

  /** 1 for each sample that counts, `[B]`; undefined where all do. */
  private gate({ schedule, timesteps }: Denoised): Tensor | undefined {
    const { maxTimestep: last } = this;
    if (last === undefined) return undefined;
    const table = Array.from({ length: schedule.numTrainTimesteps }, (_, timestep) => Number(timestep < last));
    return pick(table, timesteps, 1);
  }
}

/** The loss of the samples that count. @throws GlobalPercError where a loss cannot tell samples apart. */
function gated({ loss, summands }: Comparison, gate: Tensor): Comparison {
  if (gate.size === 1) return ofSamples(loss.reshape([1]).mul(gate));
  const samples = summands.map(({ weight, part }) => part.samples()?.mul(weight));
  if (!samples.every((part) => part !== undefined)) {
    throw new GlobalPercError(
      'OnX0: maxTimestep needs a loss that tells the samples of a batch apart, or a batch of one',
      { code: 'invalid-option' },
    );
  }
  return ofSamples(samples.reduce((sum, part) => sum.add(part)).mul(gate));
}
