/** `globalperc finetune`: LoRA, or the attention, of a pipeline's U-Net on pictures with captions. */
import { stat } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { formatSafetensors, writeAtomically } from '../data/index.js';
import { Computation, Denoiser, PipelineFolder, saveLora } from '../diffusion/index.js';
import { refuseOverwriting } from '../files/index.js';
import {
  type Estimate,
  Generator,
  GlobalPercError,
  nn,
  type Objective,
  Trainer,
  type TrainerOptions,
} from '../index.js';
import { type Album, encodeAlbums, openAlbum } from './encoded-pictures.js';
import { ATTENTION, type FinetuneConfig, readFinetuneConfig, type Trained } from './finetune-config.js';
import { note, withProgress } from './progress.js';
import { PromptPictures } from './prompt-pictures.js';
import { writeSamples } from './report.js';
import { addRunOptions, drawCurves, parseRun, type RunFlags, stopped, summarize, tensorBoard } from './run-command.js';
import { ADAPTERS, ATTENTION_WEIGHTS, ENCODED, LOG, requireOutside, samplesAt } from './run-folder.js';
import { takeSteps } from './training-run.js';

export function addFinetune(program: Command): void {
  const command = program
    .command('finetune')
    .description(
      'fine-tune Stable Diffusion of a folder or the hub: JSON by names, or a .ts/.js module that exports the same',
    );
  addRunOptions(command, `checkpoints, ${LOG}, ${ADAPTERS}, pictures of prompts, curves`).action(run);
}

/** What is trained, and what on. */
interface Task {
  readonly config: FinetuneConfig;
  readonly pipeline: PipelineFolder;
  readonly own: Album;
  readonly prior: Album | undefined;
  readonly student: Denoiser;
  readonly adapters: nn.LoraAdapters | undefined;
  readonly loss: Objective;
  readonly trainer: TrainerOptions & {
    readonly inputs: { readonly latents: readonly number[]; readonly text: readonly number[] };
  };
}

async function run(path: string, options: RunFlags): Promise<void> {
  const { seed, threads, out, resume, log } = await parseRun(options);
  const task = await withProgress(async (step) => {
    const config = await readFinetuneConfig(path, { seed, threads }, step);
    const pipeline = await PipelineFolder.open(config.model, step);
    return taskOf(config, pipeline, { seed, threads });
  });
  const { config, pipeline, own, prior, student, loss, trainer: trainerOptions } = task;
  await requireOtherFiles(path, task, out);
  await tellReading(task);
  await requireMemory(
    await withProgress(() => Trainer.estimate(student, loss, config.optimizer, trainerOptions)),
    config,
  );
  const shown = config.validation && { prompts: own.captions.slice(0, 1), ...config.validation };
  const encoding = { pipeline, path: join(out, ENCODED), data: config.data, seed };
  const encoded = await encodeAlbums(encoding, { own, prior }, [...(shown?.prompts ?? []), shown?.negative ?? '']);
  await using trainer = await withProgress((step) =>
    Trainer.create(student, loss, config.optimizer, { ...trainerOptions, ...step }),
  );
  if (resume) await trainer.load(out);
  const logger = log ? await tensorBoard(path, out, trainer.steps) : undefined;
  const { states } = encoded;
  const pictures =
    shown && new PromptPictures({ pipeline, prompts: shown, shape: trainerOptions.inputs.latents, states });
  const complete = await takeSteps({
    trainer,
    batches: encoded.batches(trainer.steps),
    steps: config.steps,
    out,
    checkpointEvery: config.checkpointEvery,
    label: 'finetune',
    logger,
    atCheckpoint: async (step) => {
      await saveTrained(task, trainer, out);
      await drawCurves(out);
      const isDue = step % config.checkpointEvery === 0 || step === config.steps;
      if (pictures === undefined || !isDue) return;
      const picture = await writeSamples(out, ['with', 'without'], await pictures.rows(student.unet), samplesAt(step));
      logger?.image(step, 'samples', picture);
    },
  });
  if (complete) return summarize(trainer.steps, out, options.json);
  stopped(trainer.steps, out);
}

/** Makes the student and its loss, and finds the pictures. @throws GlobalPercError for parts that do not go together. */
async function taskOf(
  config: FinetuneConfig,
  pipeline: PipelineFolder,
  { seed, threads }: { readonly seed: number; readonly threads: number | undefined },
): Promise<Task> {
  const { data, train, terms, model: _, noiseOffset = 0, ...rest } = config;
  const { augment, prior: preserved, batchSize = 1 } = data;
  const vae = await pipeline.vae();
  const unet = await pipeline.unet();
  const size = data.size ?? Number(pipeline.configs.unet?.sample_size ?? 64) * vae.downscale;
  const images = { size, ...(augment && { transform: augment.transform }) };
  const own = await openAlbum(data, images);
  const prior = preserved && (await openAlbum(preserved, images));
  const count = batchSize * (prior ? 2 : 1);
  const latents = [count, Number(pipeline.configs.unet?.in_channels ?? 4), ...(await sidesOf(own, vae.downscale))];
  const tokens = (await pipeline.tokenizer()).modelMaxLength;
  const text = [count, tokens, Number(pipeline.configs.unet?.cross_attention_dim ?? 768)];
  const adapters = trainedPart(unet, train);
  const student = new Denoiser(unet, pipeline.noise(), { noiseOffset });
  const means = { student, vae: async () => vae, shape: latents, priorWeight: prior && (preserved?.weight ?? 1) };
  const made = await Promise.all(terms.map(async ([make, weight]) => [await make(means), weight] as const));
  const { clipGradNorm, clipGradValue, accumulate, ema, memory } = rest;
  const limits = Object.entries({ clipGradNorm, clipGradValue, accumulate, ema, memory });
  return {
    config,
    pipeline,
    own,
    prior,
    student,
    adapters,
    loss: new nn.WeightedLoss(made),
    trainer: {
      ...Object.fromEntries(limits.filter(([, value]) => value !== undefined)),
      ...(threads !== undefined && { session: { intraOpNumThreads: threads } }),
      inputs: { latents, text },
      seed,
    },
  };
}

/** Sides of the latents of the first picture. @throws GlobalPercError where the autoencoder does not take them. */
async function sidesOf({ images }: Album, downscale: number): Promise<number[]> {
  const { target } = await images.get(0, new Generator(0));
  const sides = target.dims.slice(1);
  if (sides.every((side) => side % downscale === 0)) return sides.map((side) => side / downscale);
  throw new GlobalPercError(
    `data: pictures are ${sides.join(' × ')}, the autoencoder takes multiples of ${downscale}; set size`,
    {
      code: 'invalid-option',
    },
  );
}

/** Lets a part of a U-Net train, and nothing else. */
function trainedPart(unet: nn.AnyModule, train: Trained): nn.LoraAdapters | undefined {
  if (train.kind === 'lora') {
    const { kind: _, ...options } = train;
    return nn.lora(unet, options);
  }
  unet.freeze().trainable(ATTENTION);
  return undefined;
}

/** @throws GlobalPercError when the run would overwrite what it reads, or lie among its pictures. */
async function requireOtherFiles(path: string, { pipeline, own, prior }: Task, out: string): Promise<void> {
  const read = [path, ...(await Promise.all(PARTS.map((part) => pipeline.weightsFile(part))))];
  await refuseOverwriting(
    [LOG, ADAPTERS, ATTENTION_WEIGHTS, ENCODED].map((name) => join(out, name)),
    read,
  );
  await requireOutside(out, [own.folder, ...(prior ? [prior.folder] : [])], 'trained on');
}

const PARTS = ['unet', 'vae', 'text_encoder'];

/** Says what will be read, and what trains. */
async function tellReading({ pipeline, config, own, prior, student, trainer }: Task): Promise<void> {
  const sizes = PARTS.map(async (part) => `${part} ${gigabytes((await stat(await pipeline.weightsFile(part))).size)}`);
  const [, , height, width] = trainer.inputs.latents;
  const pictures = [own, ...(prior ? [prior] : [])].map(
    ({ folder, images }) => `${images.length} pictures of '${folder}'`,
  );
  const parameters = student.parameters();
  const numbers = (wanted: boolean): number =>
    parameters
      .filter(({ requiresGrad }) => requiresGrad || !wanted)
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  note(
    `reads   ${(await Promise.all(sizes)).join(', ')} of '${config.model}'; ${pictures.join(', ')}, latents ${height} × ${width}`,
  );
  note(`trains  ${millions(numbers(true))} of ${millions(numbers(false))} weights: ${config.train.kind}`);
}

/** Says what a step takes; of its time no more than the products. @throws GlobalPercError where that is more memory than is free. */
async function requireMemory({ bytes, multiplications }: Estimate, { steps }: FinetuneConfig): Promise<void> {
  const free = process.availableMemory?.() ?? freemem();
  const seconds = multiplications / (await multiplicationRate());
  note(
    `takes   ${gigabytes(bytes)} of memory, ${gigabytes(free)} are free; at least ${duration(seconds)} a step, ${duration(steps * seconds)} for ${steps} steps`,
  );
  if (bytes <= free) return;
  throw new GlobalPercError(
    `a step takes ${gigabytes(bytes)} of memory, and ${gigabytes(free)} are free: set "memory": "${Math.floor(free / 2 ** 20)}MB", which computes more again, smaller pictures or a smaller batch`,
    { code: 'invalid-option' },
  );
}

/** Side of the products that the rate is measured with, and for how long. */
const [SIDE, MILLISECONDS] = [768, 300];

/** Multiplications a second of large products on this machine. */
async function multiplicationRate(): Promise<number> {
  await using product = new Computation((a, b) => a.matmul(b as typeof a).sum());
  const square = { dims: [SIDE, SIDE], data: new Float32Array(SIDE * SIDE).fill(0.5) };
  await product.run(square, square);
  const started = performance.now();
  let runs = 0;
  for (; performance.now() - started < MILLISECONDS; runs += 1) await product.run(square, square);
  return (runs * SIDE ** 3) / ((performance.now() - started) / 1000);
}

/** Writes what trains, for other programs: adapters by diffusers' names, or the attention's weights under the U-Net's keys. */
async function saveTrained({ adapters, student }: Task, trainer: Trainer, out: string): Promise<void> {
  await trainer.synchronize();
  if (adapters) return saveLora(adapters, join(out, ADAPTERS));
  const trained = Array.from(student.unet.namedParameters()).filter(([, { requiresGrad }]) => requiresGrad);
  const tensors = trained.map(([path, { shape, data }]) => [path, { dtype: 'float32', dims: shape, data }] as const);
  await writeAtomically(join(out, ATTENTION_WEIGHTS), formatSafetensors(Object.fromEntries(tensors)));
}

const gigabytes = (bytes: number): string =>
  bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
const millions = (count: number): string => `${(count / 1e6).toPrecision(4)} M`;
const duration = (seconds: number): string =>
  seconds < 100
    ? `${seconds.toPrecision(2)} s`
    : seconds < 6000
      ? `${(seconds / 60).toFixed(0)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
