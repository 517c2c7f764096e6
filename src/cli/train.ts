/** `globalperc train`: a whole run from a configuration. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Batch, type DataLoader, ImageFolder, PairedImageFolder } from '../data/index.js';
import { refuseOverwriting } from '../files/index.js';
import { exportOnnx, GlobalPercError, TrainableModel, Trainer } from '../index.js';
import { withProgress } from './common.js';
import { imagesOf, writeSamples } from './report.js';
import { addRunOptions, drawCurves, parseRun, type RunFlags, stopped, summarize, tensorBoard } from './run-command.js';
import { LOG, RESULTS, requireOutside, samplesAt } from './run-folder.js';
import { readTrainConfig } from './train-config.js';
import type { TrainConfig } from './train-module.js';
import { takeSteps } from './training-run.js';
import { type Metric, Validator } from './validation.js';

/** Pictures of samples that a whole run leaves, at most; they are taken with checkpoints, and the curves are drawn anew. */
const SAMPLINGS = 50;
/** Rows of `samples.png`. */
const SAMPLES = 4;

export function addTrain(program: Command): void {
  const command = program
    .command('train')
    .description(
      'train a student: JSON by names, or a .ts/.js module that exports { student, loss, optimizer, data, steps }',
    );
  addRunOptions(command, 'checkpoints, log.jsonl, student.onnx, curves.svg, curves.png, samples.png').action(run);
}

async function run(path: string, options: RunFlags): Promise<void> {
  const { seed, threads, out, resume, log } = await parseRun(options);
  const config = await readTrainConfig(path, { seed, threads });
  await requireOtherFiles(path, config, out);
  const first = await firstBatch(config);
  await using trainer = await withProgress((step) =>
    Trainer.create(config.student, config.loss, config.optimizer, {
      ...config.trainer,
      ...step,
      batch: first.input.dims,
      seed,
    }),
  );
  if (resume) await trainer.load(out);
  const logger = log ? await tensorBoard(path, out, trainer.steps) : config.logger;
  const checkpointEvery = config.checkpointEvery ?? 100;
  const sampleEvery = checkpointEvery * Math.ceil(config.steps / checkpointEvery / SAMPLINGS);
  const validator = validatorOf(config, trainer, out);
  const complete = await takeSteps({
    trainer,
    validator,
    batches: batchesOf(config, trainer.steps),
    steps: config.steps,
    out,
    checkpointEvery,
    label: 'train',
    logger,
    atCheckpoint: async (step) => {
      if (step % sampleEvery !== 0) return;
      await drawCurves(out);
      const picture = await sample(trainer, first, out, samplesAt(step));
      if (picture) logger?.image(step, 'samples', picture);
    },
  });
  if (!complete) return stopped(trainer.steps, out);
  await report(trainer, first, options, validator);
}

function validatorOf(config: TrainConfig, trainer: Trainer, out: string): Validator | undefined {
  const { validation, loss, checkpointEvery = 100 } = config;
  const moves = config.optimizer.schedule.next !== undefined;
  if (validation === undefined) {
    if (!moves) return undefined;
    throw new GlobalPercError(
      "optimizer: the schedule reduceLROnPlateau follows the loss of validation data: give some, 'validation': { 'data': { 'folder': … } }",
      { code: 'invalid-option' },
    );
  }
  const judge: unknown = loss;
  if (!(judge instanceof Object && 'evaluate' in judge))
    throw new GlobalPercError('validation: the loss cannot evaluate a prediction by itself', {
      code: 'invalid-option',
    });
  const metrics = { loss: judge as Metric, ...validation.metrics };
  const ema = config.trainer?.ema !== undefined;
  return new Validator(trainer, { every: checkpointEvery, ...validation }, metrics, { out, ema, moves });
}

/** @throws GlobalPercError when the run would overwrite what it reads, or write pictures among those it is trained on or judged by. */
async function requireOtherFiles(
  path: string,
  { student, loss, data, validation }: TrainConfig,
  out: string,
): Promise<void> {
  // What it reads is known once it has.
  await loss.description.load?.();
  const students = Array.from(student.namedModules(), ([, module]) => module);
  const models = [
    ...students.flatMap((module) => (module instanceof TrainableModel ? module.model.files : [])),
    ...(loss.description.files ?? []),
  ];
  await refuseOverwriting(
    [LOG, ...RESULTS].map((name) => join(out, name)),
    [path, ...models],
  );
  await requireOutside(out, foldersOf(data), 'trained on');
  if (validation) await requireOutside(out, foldersOf(validation.data), 'what the run is judged by');
}

/** Folders whose images a loader serves, also where its data set is one around another. */
function foldersOf({ dataset }: Pick<DataLoader, 'dataset'>): readonly string[] {
  let inner: object = dataset;
  while ('dataset' in inner) inner = inner.dataset as object;
  return inner instanceof ImageFolder || inner instanceof PairedImageFolder ? inner.folders : [];
}

async function firstBatch(config: TrainConfig): Promise<Batch> {
  for await (const batch of batchesOf(config, 0)) return batch;
  throw new GlobalPercError('the data give no batch: there are fewer samples than batchSize, with dropLast, or none', {
    code: 'invalid-argument',
  });
}

/** The batches from a step on. A data set of the user's own may throw anything. */
async function* batchesOf({ data }: TrainConfig, from: number): AsyncGenerator<Batch> {
  try {
    yield* data.stream({ from });
  } catch (error) {
    if (error instanceof GlobalPercError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new GlobalPercError(`the data set failed: ${message}`, { code: 'invalid-file', cause: error });
  }
}

async function report(
  trainer: Trainer,
  batch: Batch,
  { out, json }: RunFlags,
  validator: Validator | undefined,
): Promise<void> {
  await exportOnnx(trainer.student, join(out, 'student.onnx'));
  await sample(trainer, batch, out);
  await summarize(trainer.steps, out, json, validator?.best);
}

/** Draws what the student makes of a batch beside its input and target, where it makes images. @returns the picture as PNG. */
async function sample(
  trainer: Trainer,
  { input, target }: Batch,
  out: string,
  name?: string,
): Promise<Uint8Array | undefined> {
  const output = await trainer.predict(input);
  if (!arePictures(output)) return undefined;
  // Latents, or what was read of a target, are no pictures.
  const shown = Object.entries({ input, output, target }).filter(([, batch]) => arePictures(batch));
  const columns = shown.map(([, batch]) => imagesOf(batch as typeof output));
  const rows = Array.from({ length: Math.min(SAMPLES, columns[0]?.length ?? 0) }, (_, i) =>
    columns.flatMap((images) => images[i] ?? []),
  );
  return writeSamples(
    out,
    shown.map(([heading]) => heading),
    rows,
    name,
  );
}

/** Whether a batch holds grey or coloured images. */
const arePictures = ({ dims }: { readonly dims: readonly number[] }): boolean =>
  dims.length === 4 && (dims[1] === 1 || dims[1] === 3);
