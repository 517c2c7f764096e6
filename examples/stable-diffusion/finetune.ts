/**
 * Fine-tunes Stable Diffusion with LoRA on the pictures of a folder, each with a caption of its own in a `.txt` beside it:
 * `node examples/stable-diffusion/finetune.ts stable-diffusion-v1-5 photos run 500 512`, in Node 22.18 or newer (Node 20: `npx tsx …`).
 * The first folder is a pipeline of diffusers (unet, vae, text_encoder, tokenizer, scheduler). Latents and states of captions are
 * kept in run/cache.safetensors; started again, it goes on where it was. Every 100 steps run/ gets the adapters, and a picture with
 * them and one without.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Generator, nn, optim, type TensorLike, Trainer } from 'globalperc';
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

const [folder = 'stable-diffusion-v1-5', photos = 'photos', out = 'run', steps = '500', side = '512'] =
  process.argv.slice(2);
const EVERY = 100;
/** How often a caption is left out, so that guidance has something to lead away from. */
const DROPOUT = 0.1;

await mkdir(out, { recursive: true });
const pipeline = await PipelineFolder.open(folder);
const unet = await pipeline.unet();
const vae = await pipeline.vae();

/** Latents and text states of every picture, and the states of no text last. */
async function prepared(cache: string): Promise<Record<string, TensorLike>> {
  const found = await readStateDict(cache).catch(() => undefined);
  if (found) return found as Record<string, TensorLike>;
  const names = (await readdir(photos)).filter((name) => /\.(png|jpe?g|webp)$/i.test(name)).sort();
  const pictures = await ImageFolder.open(
    names.map((name) => join(photos, name)),
    { size: [Number(side), Number(side)] },
  );
  const caption = (name: string): Promise<string> =>
    readFile(join(photos, `${name.slice(0, -extname(name).length)}.txt`), 'utf8').then(
      (text) => text.trim(),
      () => '',
    );
  const [tokenizer, textEncoder] = [await pipeline.tokenizer(), await pipeline.textEncoder()];
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

const data = await prepared(join(out, 'cache.safetensors'));
const count = Object.keys(data).filter((name) => name.startsWith('latents.')).length;
const [latents, text, none] = ['latents.0', 'text.0', 'none'].map((name) => data[name] as TensorLike) as [
  TensorLike,
  TensorLike,
  TensorLike,
];

const adapters = nn.lora(unet, { rank: 8, alpha: 8, targetModules: /attn[12]\.to_(q|k|v|out\.0)$/ });
const student = new Denoiser(unet, pipeline.noise());
const loss = new nn.WeightedLoss([
  [new NoiseLoss({ snrGamma: 5 }), 1],
  [new OnX0(new nn.L1Loss(), { maxTimestep: 300 }), 0.1],
]);
const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 1e-4 }), {
  inputs: { latents: latents.dims, text: text.dims },
  clipGradNorm: 1,
});
const checkpoints = join(out, 'checkpoints');
if ((await readdir(checkpoints).catch(() => [])).length > 0) await trainer.load(checkpoints);

const sampling = new LatentSampler(unet);
const decoding = new Computation(decoded(vae));

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
while (trainer.steps < Number(steps)) {
  const draws = new Generator(1, trainer.steps);
  const i = draws.integer(count);
  const told = draws.uniform() < DROPOUT ? none : (data[`text.${i}`] as TensorLike);
  const { step, loss } = await trainer.step({ latents: data[`latents.${i}`] as TensorLike, text: told });
  losses.push(loss);
  if (step % EVERY > 0 && step < Number(steps)) continue;
  console.log(`step ${step}: loss ${(losses.reduce((sum, loss) => sum + loss, 0) / losses.length).toFixed(4)}`);
  losses = [];
  await trainer.save(checkpoints);
  await saveLora(adapters, join(out, 'pytorch_lora_weights.safetensors'));
  await show(step);
}
await Promise.all([trainer.dispose(), sampling.dispose(), decoding.dispose()]);
