/** A pipeline in use: texts as states, pictures as latents and back, and samples. */
import type { TensorLike } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import {
  Computation,
  type DDPM,
  DPMSolverMultistep,
  decoded,
  encoded,
  LatentSampler,
  loadLora,
  PipelineFolder,
  type UNet2DConditionModel,
} from 'globalperc/diffusion';
import { stacked, unstacked } from './training.ts';

export class Drawing implements AsyncDisposable {
  readonly noise: DDPM;
  private readonly scheduler: unknown;
  private readonly sampler: LatentSampler;
  private readonly computations: Readonly<Record<'encode' | 'decode' | 'read' | 'predict', Computation>>;
  private readonly tokens: (texts: readonly string[]) => TensorLike;

  private constructor(
    pipeline: PipelineFolder,
    unet: UNet2DConditionModel,
    parts: readonly [Computation, Computation, Computation],
    tokens: (texts: readonly string[]) => TensorLike,
  ) {
    this.noise = pipeline.noise();
    this.scheduler = pipeline.configs.scheduler;
    this.sampler = new LatentSampler(unet);
    const [encode, decode, read] = parts;
    this.computations = { encode, decode, read, predict: new Computation((x, times, text) => unet(x, times, text)) };
    this.tokens = tokens;
  }

  /** The pipeline of a folder, with the adapters of a file where there is one. */
  static async open(folder: string, lora?: string): Promise<Drawing> {
    const pipeline = await PipelineFolder.open(folder);
    const unet = await pipeline.unet();
    if (lora) await loadLora(unet, lora);
    unet.freeze();
    const [vae, textEncoder, tokenizer] = [
      await pipeline.vae(),
      await pipeline.textEncoder(),
      await pipeline.tokenizer(),
    ];
    const parts = [
      new Computation(encoded(vae)),
      new Computation(decoded(vae)),
      new Computation((ids) => textEncoder(ids)),
    ] as const;
    return new Drawing(pipeline, unet, parts, (texts) => tokenizer.encode(texts));
  }

  /** States of texts, `[B, M, D]`. */
  async text(captions: readonly string[]): Promise<TensorLike> {
    return this.computations.read.run(this.tokens(captions));
  }

  /** Latents of pictures, `[B, 4, H, W]`. */
  async latents(pictures: readonly ImageTensor[]): Promise<TensorLike> {
    return this.computations.encode.run(stacked(pictures));
  }

  /** Pictures of latents. */
  async pictures(latents: TensorLike): Promise<ImageTensor[]> {
    return unstacked(await this.computations.decode.run(latents));
  }

  /** What the U-Net predicts of noisy latents at one timestep. */
  async predict(noisy: TensorLike, timestep: number, text: TensorLike): Promise<TensorLike> {
    const timesteps = { dims: [1], data: BigInt64Array.of(BigInt(timestep)) };
    return this.computations.predict.run(noisy, timesteps, text);
  }

  /** A picture of each caption: DPM++ 2M, 25 steps, guidance 3. */
  async samples(captions: readonly string[], side: number, seed: number): Promise<ImageTensor[]> {
    const sampler = DPMSolverMultistep.fromConfig(this.scheduler);
    const [text, negative] = [await this.text(captions), await this.text(captions.map(() => ''))];
    const shape = [captions.length, 4, side, side];
    return this.pictures(
      await this.sampler.sample({ sampler, text, negative, shape, steps: 25, guidanceScale: 3, seed }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sampler, ...Object.values(this.computations)].map((part) => part.dispose()));
  }
}
