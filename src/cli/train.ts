/** `globalperc train`: a whole run from a configuration. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type Batch,
  type DataLoader,
  ImageFolder,
  type Logger,
  PairedImageFolder,
  TensorBoardLogger,
} from '../data/index.js';
import { refuseOverwriting } from '../files/index.js';
import { exportOnnx, GlobalPercError, TrainableModel, Trainer } from '../index.js';
import { oneOf } from '../options/index.js';
import { INTERRUPTED, parseInteger, parseThreads, withProgress } from './common.js';
import type { LogEntry } from './log-entry.js';
import { imagesOf, writeCurves, writeSamples } from './report.js';
import { BEST, LOG, RESULTS, requireOutside, requireRunFolder, samplesAt } from './run-folder.js';
import { RunningMean } from './running-mean.js';
import { readTrainConfig } from './train-config.js';
import type { TrainConfig } from './train-module.js';
import { readLog, takeSteps } from './training-run.js';
import { type Metric, Validator } from './validation.js';

interface Options {
  readonly out: string;
  readonly resume?: boolean;
  readonly seed: string;
  readonly threads?: string;
  readonly log?: string;
  readonly json?: boolean;
}

/** Pictures of samples that a whole run leaves, at most; they are taken with checkpoints, and the curves are drawn anew. */
const SAMPLINGS = 50;
/** Rows of `samples.png`. */
const SAMPLES = 4;

export function addTrain(program: Command): void {
  program
    .command('train')
    .description(
      'train a student: JSON by names, or a .ts/.js module that exports { student, loss, optimizer, data, steps }',
    )
    .argument('<CONFIG>')
    .option('--out <FOLDER>', 'checkpoints, log.jsonl, student.onnx, curves.svg, curves.png, samples.png', 'run')
    .option('--resume', 'go on from the last checkpoint in --out')
    .option('--seed <NUMBER>', 'initial weights, order of the data, dropout, crops', '0')
    .option('--threads <COUNT>', 'threads of ONNX Runtime; default: the cores available')
    .option('--log <KIND>', 'tensorboard: event files in --out, beside log.jsonl')
    .option('--json', 'print one JSON object at the end')
    .action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const seed = parseInteger(options.seed, '--seed', 0);
  const threads = parseThreads(options.threads);
  const { out, resume = false, log } = options;
  if (log !== undefined) oneOf('tensorboard')(log, '--log');
  const anew = await requireRunFolder(out, resume);
  const config = await readTrainConfig(path, { seed, threads });
  await requireOtherFiles(path, config, out);
  if (anew) process.stderr.write(`'${out}' holds a run that ended before its first checkpoint; it is begun anew\n`);
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
  if (!complete) {
    process.stderr.write(`stopped and saved at step ${trainer.steps}; go on with --resume --out ${out}\n`);
    process.exitCode = INTERRUPTED;
    return;
  }
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

/** Event files of a run, with its configuration where that is JSON. @param taken steps before this process. */
async function tensorBoard(path: string, out: string, taken: number): Promise<Logger> {
  const about = path.endsWith('.json') && { about: ['```', (await readFile(path, 'utf8')).trim(), '```'].join('\n') };
  return new TensorBoardLogger(out, { ...(taken > 0 && { from: taken + 1 }), ...about });
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
  { out, json }: Options,
  validator: Validator | undefined,
): Promise<void> {
  await exportOnnx(trainer.student, join(out, 'student.onnx'));
  const entries = await drawCurves(out);
  await sample(trainer, batch, out);
  process.stdout.write(`${summaryOf(entries, trainer.steps, out, validator?.best, json)}\n`);
}

/** Draws the loss, and that of the validation data, up to now. @returns the log. */
async function drawCurves(out: string): Promise<readonly LogEntry[]> {
  const entries = await readLog(out);
  const values = entries.map(({ step, loss }) => ({ step, value: loss }));
  const judged = entries.flatMap(({ step, validation }) => (validation ? [{ step, value: validation.loss }] : []));
  const curves = judged.length > 0 ? [{ label: 'validation', values: judged }] : [];
  await writeCurves(out, 'Training', 'loss', [{ label: 'loss', values }, ...curves]);
  return entries;
}

/** What the run has come to: the loss of one batch tells little, so the mean over the last ones stands beside it. */
function summaryOf(
  entries: readonly LogEntry[],
  steps: number,
  out: string,
  best: Validator['best'],
  json = false,
): string {
  const losses = entries.map(({ loss }) => loss);
  const loss = losses.at(-1);
  const { mean, count } = new RunningMean(losses);
  if (json) return JSON.stringify({ out, steps, loss, meanLoss: mean, meanOverSteps: count, ...(best && { best }) });
  const judged = best
    ? `; validation best at step ${best.step}: ${best.loss.toPrecision(6)}, kept in ${join(out, BEST)}`
    : '';
  return `${out}: ${steps} steps, loss ${mean.toPrecision(6)} (mean of the last ${count} steps; last step ${loss?.toPrecision(6)})${judged}`;
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
