/** `globalperc sample`: a picture of a text, by a pipeline in a folder or of the hub. */
import type { Command } from 'commander';
import { encodePng, writeAtomically } from '../data/index.js';
import {
  Computation,
  DDIM,
  DPMSolverMultistep,
  decoded,
  EulerDiscrete,
  LatentSampler,
  loadLora,
  PipelineFolder,
  type SampleOptions,
} from '../diffusion/index.js';
import { GlobalPercError } from '../index.js';
import { parseInteger, parseNumber } from './common.js';
import { requireOutputFile } from './outputs.js';
import { note, withProgress } from './progress.js';

interface Options {
  readonly prompt: string;
  readonly out: string;
  readonly negative: string;
  readonly lora?: string;
  readonly sampler: string;
  readonly steps: string;
  readonly guidance: string;
  readonly seed: string;
  readonly size: string;
}

const SAMPLERS = { ddim: DDIM, euler: EulerDiscrete, dpm: DPMSolverMultistep };

export function addSample(program: Command): void {
  program
    .command('sample')
    .description('a picture of a text, by Stable Diffusion of a folder or the hub')
    .argument(
      '<PIPELINE>',
      'a folder with unet, vae, text_encoder, tokenizer and scheduler, or a repository: owner/name[@revision]',
    )
    .requiredOption('--prompt <TEXT>', 'what the picture shows')
    .requiredOption('--out <FILE>', 'the .png file to write')
    .option('--negative <TEXT>', 'what it does not show', '')
    .option('--lora <FILE>', 'adapters of nn.lora, diffusers or kohya')
    .option('--sampler <NAME>', 'ddim, euler or dpm', 'dpm')
    .option('--steps <NUMBER>', 'timesteps', '25')
    .option('--guidance <NUMBER>', 'how far it is led to the text; 1: not at all', '7.5')
    .option('--seed <NUMBER>', 'names the noise that it begins with', '0')
    .option('--size <SIDES>', 'width x height', '512x512')
    .action(run);
}

async function run(source: string, options: Options): Promise<void> {
  const { out } = options;
  await requireOutputFile(out, '--out', ['.png']);
  const sides = /^(\d+)x(\d+)$/.exec(options.size)?.slice(1).map(Number);
  if (sides === undefined) throw wrong('--size', 'such as 512x512', options.size);
  const [width, height] = sides as [number, number];
  const guidance = parseNumber(options.guidance, '--guidance');
  const pipeline = await withProgress((step) => PipelineFolder.open(source, step));
  const [text, negative] = await statesOf(pipeline, [options.prompt, options.negative]);
  const vae = await pipeline.vae();
  if (width % vae.downscale > 0 || height % vae.downscale > 0)
    throw wrong('--size', `of multiples of ${vae.downscale}`, options.size);
  const started = performance.now();
  const latents = await sampled(pipeline, options.lora, {
    sampler: samplerOf(options.sampler, pipeline),
    shape: [1, Number(pipeline.configs.unet?.in_channels ?? 4), height / vae.downscale, width / vae.downscale],
    text: text as SampleOptions['text'],
    ...(guidance !== 1 && { negative: negative as SampleOptions['text'], guidanceScale: guidance }),
    steps: parseInteger(options.steps, '--steps', 1),
    seed: parseInteger(options.seed, '--seed', 0),
    onStep: (done, steps) =>
      note(`step ${done}/${steps}, ${((performance.now() - started) / done / 1000).toFixed(1)} s each`),
  });
  await using decoding = new Computation(decoded(vae));
  const { dims, data } = await decoding.run(latents);
  await writeAtomically(
    out,
    await encodePng({ dims: dims.slice(1), data: data.map((value) => Math.min(Math.max(value, 0), 1)) }),
  );
  process.stdout.write(`${out}: ${width} × ${height}, "${options.prompt}"\n`);
}

/** States of texts, one after the other. */
async function statesOf(pipeline: PipelineFolder, texts: readonly string[]) {
  const [tokenizer, encoder] = [await pipeline.tokenizer(), await pipeline.textEncoder()];
  await using encoding = new Computation((ids) => encoder(ids));
  const states = [];
  for (const text of texts) states.push(await encoding.run(tokenizer.encode([text])));
  return states;
}

async function sampled(pipeline: PipelineFolder, lora: string | undefined, options: SampleOptions) {
  const unet = await pipeline.unet();
  if (lora !== undefined) (await loadLora(unet, lora)).merge();
  else unet.freeze();
  await using sampling = new LatentSampler(unet);
  return await sampling.sample(options);
}

function samplerOf(name: string, { configs }: PipelineFolder): SampleOptions['sampler'] {
  if (!Object.hasOwn(SAMPLERS, name)) throw wrong('--sampler', `one of ${Object.keys(SAMPLERS).join(', ')}`, name);
  return SAMPLERS[name as keyof typeof SAMPLERS].fromConfig(configs.scheduler ?? {});
}

const wrong = (option: string, wanted: string, value: string): GlobalPercError =>
  new GlobalPercError(`${option} should be ${wanted}, got '${value}'`, { code: 'invalid-option' });
