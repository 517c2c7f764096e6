/** A U-Net as a student: noise and timesteps are part of its training step. */
import { constantOf, GlobalPercError, int, ints, type Shape, type Tensor } from '../graph/index.js';
import { TrainableModel } from '../model/index.js';
import { type AnyModule, Module } from '../nn/index.js';
import { type Checks, checkOptions, instanceOf, number } from '../options/index.js';
import { DDPM } from './schedulers/index.js';

/** Options of Denoiser. */
export interface DenoiserOptions {
  /** Deviation of noise that is the same over a whole channel, added to that of the pixels; 0.1 lets a model learn dark and bright pictures. Default 0. */
  readonly noiseOffset?: number;
}

const checks: Checks<DenoiserOptions> = { noiseOffset: number({ least: 0 }) };
const isModule = instanceOf(Module, 'a UNet2DConditionModel, or await loadModel(source, { trainable: true })');
const isSchedule = instanceOf(DDPM, 'a noise schedule such as DDPM.fromConfig(config)');

/** What U-Nets of a folder say that they predict. */
const trainedFor = new WeakMap<AnyModule, DDPM>();

/** Remembers what a U-Net was trained for. */
export const rememberSchedule = (unet: AnyModule, schedule: DDPM): void => void trainedFor.set(unet, schedule);

/**
 * Trains a U-Net: takes `latents` `[B, C, H, W]` and `text` `[B, M, D]`, draws noise and a timestep for each sample, and lets the
 * U-Net predict from the noisy latents. The draws are the trainer's, named by seed and step, so that a resumed run goes on exactly.
 * `NoiseLoss` and `OnX0` compare; in evaluation the draws are the same at every call.
 *
 * @example
 * const student = new Denoiser(unet, pipeline.noise());
 * const trainer = await Trainer.create(student, new NoiseLoss(), optimizer, { inputs: { latents: [1, 4, 64, 64], text: [1, 77, 768] } });
 * await trainer.step({ latents, text });
 */
export class Denoiser extends Module<Tensor[]> {
  static readonly className = 'Denoiser';
  readonly unet: AnyModule;
  readonly schedule: DDPM;
  readonly noiseOffset: number;

  /** @param unet called with noisy latents, int64 timesteps `[B]` and text; of an imported model, the inputs go by name. */
  constructor(unet: AnyModule, schedule: DDPM, options: DenoiserOptions = {}) {
    super();
    this.unet = isModule(unet, 'Denoiser: unet');
    this.schedule = isSchedule(schedule, 'Denoiser: schedule');
    this.noiseOffset = checkOptions(options, checks, 'Denoiser').noiseOffset ?? 0;
    const own = trainedFor.get(unet)?.predictionType ?? schedule.predictionType;
    if (own !== schedule.predictionType) {
      console.warn(
        `warning: the model's own scheduler_config.json says prediction_type '${own}', and it is trained here as '${schedule.predictionType}'; take pipeline.noise()`,
      );
    }
  }

  override get inputNames(): readonly string[] {
    return ['latents', 'text'];
  }

  override async prepare(latents: Shape, text: Shape): Promise<void> {
    await prepareUNet(this.unet, latents, text);
  }

  /** The prediction, and what it was made of: noise, timesteps, noisy latents. @throws GlobalPercError as the U-Net does. */
  override forward(latents: Tensor, text?: Tensor): Tensor[] {
    if (text === undefined) {
      throw new GlobalPercError('Denoiser takes latents and text: { inputs: { latents: […], text: […] } }', {
        code: 'invalid-argument',
      });
    }
    const noise = this.noise(latents);
    const uniform = drawn(latents, 'RandomUniform', [latents.dim(0)]);
    const timesteps = uniform.mul(this.schedule.numTrainTimesteps).floor().cast('int64');
    const { alpha, sigma } = mixtureAt(this.schedule, timesteps, latents.rank);
    const noisy = latents.mul(alpha).add(noise.mul(sigma));
    return [callUNet(this.unet, { latents: noisy, timesteps, text }), noise, timesteps, noisy];
  }

  private noise(latents: Tensor): Tensor {
    const noise = drawn(latents, 'RandomNormal', latents.shape);
    if (this.noiseOffset === 0) return noise;
    const shape = latents.shape.map((size, axis) => (axis < 2 ? size : 1));
    return noise.add(drawn(latents, 'RandomNormal', shape).mul(this.noiseOffset));
  }
}

const drawn = ({ graph }: Tensor, op: 'RandomNormal' | 'RandomUniform', shape: Shape): Tensor =>
  graph.emit(op, [], { shape: ints(shape), dtype: int(1) })[0] as Tensor;

/** A number for each timestep, picked for each sample: `[B]` → `[B, 1, …]`. */
export function pick(table: readonly number[], timesteps: Tensor, rank: number): Tensor {
  const values = timesteps.graph.constant(constantOf('float32', [table.length], table)).gather(timesteps, 0);
  return values.reshape([values.size, ...Array<number>(rank - 1).fill(1)]);
}

/** √ᾱ and √(1 − ᾱ) of each sample, to be multiplied with tensors of a rank. */
export function mixtureAt({ alphasCumprod }: DDPM, timesteps: Tensor, rank: number): { alpha: Tensor; sigma: Tensor } {
  const products = Array.from(alphasCumprod);
  return {
    alpha: pick(products.map(Math.sqrt), timesteps, rank),
    sigma: pick(
      products.map((product) => Math.sqrt(1 - product)),
      timesteps,
      rank,
    ),
  };
}

/** Learns what an imported U-Net must know of inputs of some shapes. */
export async function prepareUNet(unet: AnyModule, latents: Shape, text: Shape): Promise<void> {
  const shapes = { latents, timesteps: [latents[0] as number], text };
  await unet.prepare(...inputsOf(unet).map((name, i) => fitting(unet, i, shapes[name])));
}

/** The prediction of a U-Net; of an imported one, the inputs go by name. */
export function callUNet(unet: AnyModule, given: Readonly<Record<InputKind, Tensor>>): Tensor {
  const tensors = inputsOf(unet).map((name, i) => given[name].reshape(fitting(unet, i, given[name].shape)));
  return [unet(...tensors)].flat()[0] as Tensor;
}

type InputKind = 'latents' | 'timesteps' | 'text';

/** What a U-Net takes, in its order: of an imported model, by the names of its inputs. */
function inputsOf({ inputNames }: AnyModule): readonly InputKind[] {
  if (inputNames === undefined) return ['latents', 'timesteps', 'text'];
  const kinds = inputNames.map(
    (name, i): InputKind => (i === 0 ? 'latents' : /time/.test(name) ? 'timesteps' : 'text'),
  );
  if (new Set(kinds).size === 3 && kinds.length === 3) return kinds;
  throw new GlobalPercError(
    `Denoiser: the model should have three inputs without value, latents, timestep and text, got ${inputNames.join(', ')}; give the others one in loadModel(source, { inputs: { … } })`,
    { code: 'invalid-option' },
  );
}

/** The shape that an imported model declares for an input, where it is one of as many elements. */
function fitting(unet: AnyModule, index: number, shape: Shape): Shape {
  if (!(unet instanceof TrainableModel) || index === 0) return shape;
  const declared = unet.model.openInputs[index - 1]?.declaredShape;
  return declared?.length === 0 && shape.length === 1 && shape[0] === 1 ? [] : shape;
}
