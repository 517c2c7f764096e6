/** Pictures of prompts by a U-Net that trains, beside those of the one it began as. */
import type { ImageTensor } from '../data/index.js';
import { Computation, DPMSolverMultistep, decoded, LatentSampler, type PipelineFolder } from '../diffusion/index.js';
import type { nn, TensorLike } from '../index.js';
import type { Prompts } from './finetune-config.js';

/** What pictures are made with. */
interface Drawing {
  readonly pipeline: PipelineFolder;
  readonly prompts: Prompts & Required<Pick<Prompts, 'prompts'>>;
  /** Of the latents of one picture. */
  readonly shape: readonly number[];
  /** States of a text. */
  readonly states: (text: string) => TensorLike;
}

/** Draws the same noise at every call; sessions are open only meanwhile. */
export class PromptPictures {
  private before: readonly ImageTensor[] | undefined;

  constructor(private readonly drawing: Drawing) {}

  /** A row `[with, without]` for each prompt. @param unet its weights are the present ones. */
  async rows(unet: nn.AnyModule): Promise<ImageTensor[][]> {
    // The one it began as lies in its file, and takes no memory of its own.
    this.before ??= await this.drawn((await this.drawing.pipeline.unet()).freeze());
    const now = await this.drawn(unet);
    return now.map((picture, i) => [picture, this.before?.[i] as ImageTensor]);
  }

  private async drawn(unet: nn.AnyModule): Promise<ImageTensor[]> {
    const { pipeline, prompts, shape, states } = this.drawing;
    const latents = [];
    {
      await using sampling = new LatentSampler(unet);
      for (const prompt of prompts.prompts) {
        latents.push(
          await sampling.sample({
            sampler: DPMSolverMultistep.fromConfig(pipeline.configs.scheduler ?? {}),
            shape: [1, ...shape.slice(1)],
            text: states(prompt),
            negative: states(prompts.negative ?? ''),
            guidanceScale: prompts.guidance ?? 7.5,
            steps: prompts.steps ?? 25,
            seed: prompts.seed ?? 0,
          }),
        );
      }
    }
    await using decoding = new Computation(decoded(await pipeline.vae()));
    const pictures: ImageTensor[] = [];
    for (const each of latents) {
      const { dims, data } = await decoding.run(each);
      pictures.push({ dims: dims.slice(1), data: data.map((value) => Math.min(Math.max(value, 0), 1)) });
    }
    return pictures;
  }
}
