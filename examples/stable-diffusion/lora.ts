/** Fine-tuning with LoRA, from pictures with captions to a file of adapters. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import {
  Generator,
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  nn,
  optim,
  type TensorLike,
  Trainer,
} from 'globalperc';
import { encodePng, formatSafetensors, ImageFolder, readStateDict, writeAtomically } from 'globalperc/data';
import {
  Computation,
  Denoiser,
  DPMSolverMultistep,
  decoded,
  encoded,
  LatentSampler,
  NoiseLoss,
  OnX0,
  PipelineFolder,
  saveLora,
} from 'globalperc/diffusion';

/** What is trained, and how. */
export interface Finetuning {
  /** A folder with unet, vae, text_encoder, tokenizer and scheduler. */
  readonly pipeline: string;
  readonly photos: string;
  readonly out: string;
  readonly steps: number;
  /** Pixels a side. */
  readonly side: number;
  readonly lr: number;
  /** Paths of the layers that get adapters. */
  readonly targets: RegExp;
  /** Names the draws. Default 0. */
  readonly seed?: number;
  /** A network that reads latents, as an ONNX file, the paths of its modules that are hooked, and the weight of its loss. */
  readonly perceptual?: { readonly teacher: string; readonly hooks: string; readonly weight: number };
}

const EVERY = 100;
/** How often a caption is left out, so that guidance has something to lead away from. */
const DROPOUT = 0.1;
/** From here on the clean latents are a guess. */
const MAX_TIMESTEP = 500;

/** Latents and text states of every picture, and the states of no text last. */
async function prepared(
  pipeline: PipelineFolder,
  { photos, side, out }: Finetuning,
): Promise<Record<string, TensorLike>> {
  const cache = join(out, 'cache.safetensors');
  const found = await readStateDict(cache).catch(() => undefined);
  if (found) return found as Record<string, TensorLike>;
  const names = (await readdir(photos)).filter((name) => /\.(png|jpe?g|webp)$/i.test(name)).sort();
  const pictures = await ImageFolder.open(
    names.map((name) => join(photos, name)),
    { size: [side, side] },
  );
  const caption = (name: string): Promise<string> =>
    readFile(join(photos, `${name.slice(0, -extname(name).length)}.txt`), 'utf8').then(
      (text) => text.trim(),
      () => '',
    );
  const [vae, tokenizer, textEncoder] = [
    await pipeline.vae(),
    await pipeline.tokenizer(),
    await pipeline.textEncoder(),
  ];
  await using encode = new Computation(encoded(vae));
  await using read = new Computation((ids) => textEncoder(ids));
  const kept: Record<string, { dtype: 'float32'; dims: readonly number[]; data: Float32Array }> = {};
  const text = async (caption: string) => read.run(tokenizer.encode([caption]));
  for (const [i, name] of names.entries()) {
    const { target } = await pictures.get(i, new Generator(i));
    const image = { dims: [1, ...target.dims], data: target.data as Float32Array };
    kept[`latents.${i}`] = { dtype: 'float32', ...(await encode.run(image)) };
    kept[`text.${i}`] = { dtype: 'float32', ...(await text(await caption(name))) };
    console.log(`${name} encoded`);
  }
  kept.none = { dtype: 'float32', ...(await text('')) };
  await writeAtomically(cache, formatSafetensors(kept));
  return kept;
}

/** The loss of the noise, with the perceptual loss of the clean latents where there is one. */
async function lossOf({ perceptual }: Finetuning): Promise<nn.WeightedLoss> {
  const noise = [new NoiseLoss({ snrGamma: 5 }), 1] as const;
  if (perceptual === undefined) return new nn.WeightedLoss([noise]);
  const { teacher, hooks, weight } = perceptual;
  const config = new GlobalPercConfig({ modulesToHook: [new RegExp(hooks)] });
  const features = new GlobalPercLoss(await loadModel(teacher), config);
  return new nn.WeightedLoss([noise, [new OnX0(features, { maxTimestep: MAX_TIMESTEP }), weight]]);
}

/** Trains adapters, and writes `pytorch_lora_weights.safetensors`; started again, it goes on where it was. */
export async function finetune(task: Finetuning): Promise<void> {
  const { out, steps, lr, seed = 0 } = task;
  await mkdir(out, { recursive: true });
  const pipeline = await PipelineFolder.open(task.pipeline);
  const data = await prepared(pipeline, task);
  const count = Object.keys(data).filter((name) => name.startsWith('latents.')).length;
  const of = (name: string): TensorLike => data[name] as TensorLike;
  const [latents, text, none] = [of('latents.0'), of('text.0'), of('none')];

  const unet = await pipeline.unet();
  nn.manualSeed(seed);
  const adapters = nn.lora(unet, { rank: 8, alpha: 8, targetModules: task.targets });
  const trainer = await Trainer.create(
    new Denoiser(unet, pipeline.noise()),
    await lossOf(task),
    new optim.AdamW({ lr }),
    {
      inputs: { latents: latents.dims, text: text.dims },
      clipGradNorm: 1,
      seed,
    },
  );
  const checkpoints = join(out, 'checkpoints');
  if ((await readdir(checkpoints).catch(() => [])).length > 0) await trainer.load(checkpoints);

  const sampling = new LatentSampler(unet);
  const decoding = new Computation(decoded(await pipeline.vae()));

  /** A picture of the first caption, with the adapters and without. */
  async function show(step: number): Promise<void> {
    for (const [name, counts] of [
      ['with', true],
      ['without', false],
    ] as const) {
      const sampler = DPMSolverMultistep.fromConfig(pipeline.configs.scheduler);
      const options = { sampler, shape: latents.dims, text, negative: none, steps: 25, adapters: counts };
      const { dims, data } = await decoding.run(await sampling.sample(options));
      const image = { dims: dims.slice(1), data: data.map((value) => Math.min(Math.max(value, 0), 1)) };
      await writeAtomically(join(out, `${step}-${name}.png`), await encodePng(image));
    }
  }

  let losses: number[] = [];
  while (trainer.steps < steps) {
    const draws = new Generator(1, seed, trainer.steps);
    const i = draws.integer(count);
    const told = draws.uniform() < DROPOUT ? none : of(`text.${i}`);
    const { step, loss } = await trainer.step({ latents: of(`latents.${i}`), text: told });
    losses.push(loss);
    if (step % EVERY > 0 && step < steps) continue;
    console.log(`step ${step}: loss ${(losses.reduce((sum, loss) => sum + loss, 0) / losses.length).toFixed(4)}`);
    losses = [];
    await trainer.save(checkpoints);
    await saveLora(adapters, join(out, 'pytorch_lora_weights.safetensors'));
    await show(step);
  }
  await Promise.all([trainer.dispose(), sampling.dispose(), decoding.dispose()]);
}
