/** Pictures of noise: the loop over a sampler's timesteps. */
import { type Shape, sizeOf, type Tensor } from '../graph/index.js';
import type { TensorLike } from '../model/index.js';
import { type AnyModule, LORA_B } from '../nn/index.js';
import {
  anything,
  boolean,
  type Checks,
  callback,
  checkOptions,
  count,
  instanceOf,
  integer,
  number,
  required,
  shape,
} from '../options/index.js';
import { Generator } from '../random/index.js';
import type { SessionOptions } from '../runtime/index.js';
import { Computation } from './computation.js';
import { callUNet, prepareUNet } from './denoiser.js';
import { latents } from './schedulers/arithmetic.js';
import { guided, type Latents } from './schedulers/index.js';
import { Sampler } from './schedulers/sampler.js';

/** Options of `LatentSampler.sample`. */
export interface SampleOptions {
  /** E.g. `samplerFromConfig(config)`. */
  readonly sampler: Sampler;
  /** Of the latents, e.g. `[1, 4, 64, 64]`. */
  readonly shape: Shape;
  /** States of the text, `[B, M, D]`. */
  readonly text: TensorLike;
  /** States of the empty text, or of what the picture should not show; without it there is no guidance. */
  readonly negative?: TensorLike;
  /** How far guidance leads away from `negative`. Default 7.5. */
  readonly guidanceScale?: number;
  /** Default 50. */
  readonly steps?: number;
  /** Names the noise that it begins with. Default 0. */
  readonly seed?: number;
  /** Whether the adapters of `nn.lora` count. Default true. */
  readonly adapters?: boolean;
  /** Called after each step. */
  readonly onStep?: (done: number, steps: number) => void;
}

const checks: Checks<SampleOptions> = {
  sampler: required(instanceOf(Sampler, 'a sampler such as DDIM.fromConfig(config)')),
  shape: required(shape('[1, 4, 64, 64]')),
  text: required(anything<TensorLike>),
  negative: anything<TensorLike>,
  guidanceScale: number(),
  steps: count,
  seed: integer(),
  adapters: boolean,
  onStep: callback,
};

/**
 * Samples of a U-Net, compiled once for each shape. Weights that train are read at every call: after `await trainer.synchronize()`
 * they are the trainer's present ones.
 */
export class LatentSampler implements AsyncDisposable {
  private readonly unet: AnyModule;
  private readonly computation: Computation;

  /** @param session passed on to ONNX Runtime. */
  constructor(unet: AnyModule, session: SessionOptions = {}) {
    this.unet = unet;
    const compute = (latents: Tensor, timesteps: Tensor, text: Tensor): Tensor =>
      callUNet(unet, { latents, timesteps, text });
    this.computation = new Computation(compute as (...inputs: Tensor[]) => Tensor, { module: unet, session });
  }

  /**
   * Latents of a picture, to be decoded: noise of the seed, denoised along the sampler's timesteps, with classifier-free guidance
   * where there is a `negative`.
   * @throws GlobalPercError on an option that is missing, not known or out of range, and as the U-Net does.
   */
  async sample(options: SampleOptions): Promise<Latents> {
    const checked = checkOptions(options, checks, 'LatentSampler.sample');
    const { sampler, text, negative, guidanceScale = 7.5, steps = 50, adapters = true, onStep } = checked;
    for (const [name, states] of Object.entries({ text, negative })) {
      if (states) latents(states, `LatentSampler.sample: ${name}`);
    }
    await prepareUNet(this.unet, checked.shape, text.dims);
    sampler.setTimesteps(steps);
    let sample = noiseOf(checked.shape, checked.seed ?? 0, sampler.initNoiseSigma);
    for (const [i, timestep] of sampler.timesteps.entries()) {
      const input = sampler.scaleModelInput(sample, timestep);
      const conditional = await this.predict(input, timestep, text, adapters);
      const output = negative
        ? guided(await this.predict(input, timestep, negative, adapters), conditional, guidanceScale)
        : conditional;
      sample = sampler.step(output, timestep, sample).prevSample;
      onStep?.(i + 1, steps);
    }
    return sample;
  }

  private predict(latents: Latents, timestep: number, text: TensorLike, adapters: boolean): Promise<Latents> {
    const timesteps = { dims: [latents.dims[0] as number], data: Array(latents.dims[0]).fill(timestep) };
    return this.computation.runWith([latents, timesteps, text], (path, weight) =>
      // y + B(A x) is y where B is 0.
      adapters || !path.endsWith(LORA_B) ? undefined : new Float32Array(weight.data.length),
    );
  }

  /** Frees its sessions. */
  dispose(): Promise<void> {
    return this.computation.dispose();
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Normal numbers of a deviation. */
function noiseOf(dims: Shape, seed: number, deviation: number): Latents {
  const generator = new Generator(seed);
  return { dims, data: Float32Array.from({ length: sizeOf(dims) }, () => deviation * generator.normal()) };
}
