/** The third stage: a U-Net of Stable Diffusion's kind, which learns what each caption looks like. */
import { join } from 'node:path';
import { nn, optim, type TensorLike, Trainer } from 'globalperc';
import {
  Computation,
  DDPM,
  Denoiser,
  encoded,
  NoiseLoss,
  PipelineFolder,
  UNet2DConditionModel,
} from 'globalperc/diffusion';
import { SUBJECTS, views } from './photographs.ts';
import { FEATURES } from './text.ts';
import { drawn, forget, kept, type Places, stacked, train, unstacked, writeJson, writePart } from './training.ts';

const BATCH = 4;
/** How often a caption is left out. */
const DROPOUT = 0.1;

const CONFIG = {
  _class_name: 'UNet2DConditionModel',
  in_channels: 4,
  out_channels: 4,
  sample_size: 16,
  block_out_channels: [32, 96],
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D'],
  up_block_types: ['CrossAttnUpBlock2D', 'UpBlock2D'],
  layers_per_block: 1,
  norm_num_groups: 8,
  cross_attention_dim: FEATURES,
  attention_head_dim: 4,
};

/** Stable Diffusion's noise; the velocity is learned in fewer steps than the noise. */
const SCHEDULE = {
  _class_name: 'DDIMScheduler',
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  beta_end: 0.012,
  num_train_timesteps: 1000,
  prediction_type: 'v_prediction',
  timestep_spacing: 'trailing',
  clip_sample: false,
  set_alpha_to_one: false,
  steps_offset: 1,
};

/** Writes the configurations of `unet/` and `scheduler/`, with which the folder is a pipeline. */
export async function writeConfigs(pipeline: string): Promise<void> {
  await writeJson(join(pipeline, 'unet', 'config.json'), CONFIG);
  await writeJson(join(pipeline, 'scheduler', 'scheduler_config.json'), SCHEDULE);
}

/** Writes `unet/` of a pipeline. */
export async function unet({ pipeline, work }: Places, steps: number): Promise<void> {
  const data = await kept(join(work, 'latents.safetensors'), () => prepared(pipeline));
  const latents = SUBJECTS.map(({ caption }) => unstacked(data[caption] as TensorLike));
  const texts = unstacked(data.texts as TensorLike);
  nn.manualSeed(3);
  const model = UNet2DConditionModel.fromConfig(CONFIG);
  const parameters = [...model.parameters()].reduce((sum, { data }) => sum + data.length, 0);
  console.log(`unet: ${(parameters / 1e6).toFixed(2)} million parameters`);
  const shapes = [stacked(latents[0]?.slice(0, 1) ?? []), stacked(texts.slice(0, 1))].map(({ dims }) => [
    BATCH,
    ...dims.slice(1),
  ]);
  const schedule = new optim.lrScheduler.CosineAnnealingLR({ tMax: steps });
  const student = new Denoiser(model, DDPM.fromConfig(SCHEDULE));
  const trainer = await Trainer.create(student, new NoiseLoss(), new optim.AdamW({ lr: 2e-3, schedule }), {
    inputs: { latents: shapes[0] as number[], text: shapes[1] as number[] },
    clipGradNorm: 1,
  });
  await train(trainer, {
    name: 'unet',
    folder: work,
    steps,
    step: (draws) => {
      const chosen = drawn([...SUBJECTS.keys()], BATCH, draws);
      const shown = chosen.map((i) => drawn(latents[i] ?? [], 1, draws)[0] as TensorLike);
      const told = chosen.map((i) => texts[draws.uniform() < DROPOUT ? SUBJECTS.length : i] as TensorLike);
      return trainer.step({ latents: stacked(shown), text: stacked(told) });
    },
  });
  await trainer.dispose();
  await writePart(join(pipeline, 'unet'), CONFIG, model);
  await forget('unet', work);
}

/** Latents of the views of each caption, and the states of the captions, those of no text last. */
async function prepared(folder: string): Promise<Record<string, TensorLike>> {
  const pipeline = await PipelineFolder.open(folder);
  const [vae, textEncoder, tokenizer] = await Promise.all([
    pipeline.vae(),
    pipeline.textEncoder(),
    pipeline.tokenizer(),
  ]);
  await using encode = new Computation(encoded(vae));
  await using read = new Computation((ids) => textEncoder(ids));
  const seen = await views(40, 3);
  const found: Record<string, TensorLike> = {};
  for (const { caption } of SUBJECTS) {
    const own = seen.filter((view) => view.caption === caption).map(({ image }) => image);
    found[caption] = await encode.run(stacked(own));
  }
  found.texts = await read.run(tokenizer.encode([...SUBJECTS.map(({ caption }) => caption), '']));
  return found;
}
