/** `globalperc train`: a whole run from a configuration. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Batch } from '../data/index.js';
import { exportOnnx, GlobalPercError, Trainer } from '../index.js';
import { parseInteger, withProgress } from './common.js';
import { imagesOf, writeCurves, writeSamples } from './report.js';
import { readTrainConfig, type TrainConfig } from './train-config.js';
import { readLog, takeSteps } from './training-run.js';

interface Options {
  readonly out: string;
  readonly resume?: boolean;
  readonly seed: string;
  readonly threads?: string;
  readonly json?: boolean;
}

/** Rows of `samples.png`. */
const SAMPLES = 4;

/** Exit code of a run that was interrupted and saved. */
const INTERRUPTED = 130;

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
    .option('--json', 'print one JSON object at the end')
    .action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const seed = parseInteger(options.seed, '--seed', 0);
  const threads = options.threads === undefined ? undefined : parseInteger(options.threads, '--threads', 1);
  const config = await readTrainConfig(path, { seed, threads });
  await requireFreshFolder(options);
  const first = await firstBatch(config);
  await using trainer = await withProgress((step) =>
    Trainer.create(config.student, config.loss, config.optimizer, {
      ...config.trainer,
      ...step,
      batch: first.input.dims,
      seed,
    }),
  );
  if (options.resume) await trainer.load(options.out);
  const complete = await takeSteps({
    trainer,
    batches: config.data.stream({ from: trainer.steps }),
    steps: config.steps,
    out: options.out,
    checkpointEvery: config.checkpointEvery ?? 100,
    label: 'train',
  });
  if (!complete) {
    process.stderr.write(`stopped and saved at step ${trainer.steps}; go on with --resume --out ${options.out}\n`);
    process.exitCode = INTERRUPTED;
    return;
  }
  await report(trainer, first, options);
}

/** @throws GlobalPercError when a run is there already that would be overwritten. */
async function requireFreshFolder({ out, resume }: Options): Promise<void> {
  const entries = await readdir(out).catch(() => [] as string[]);
  const started = entries.some((name) => name.startsWith('checkpoint-'));
  if (started && !resume)
    throw new GlobalPercError(`'${out}' holds a run already; go on with --resume, or take another --out`);
}

async function firstBatch({ data }: TrainConfig): Promise<Batch> {
  for await (const batch of data.stream()) return batch;
  throw new GlobalPercError('the data give no batch');
}

async function report(trainer: Trainer, batch: Batch, { out, json }: Options): Promise<void> {
  await exportOnnx(trainer.student, join(out, 'student.onnx'));
  const entries = await readLog(out);
  const values = entries.map(({ step, loss }) => ({ step, value: loss }));
  await writeCurves(out, 'Training', 'loss', [{ label: 'loss', values }]);
  const output = await trainer.predict(batch.input);
  if (output.dims.length === 4) await samples(out, batch, output);
  const last = entries.at(-1);
  const summary = json
    ? JSON.stringify({ out, steps: trainer.steps, loss: last?.loss })
    : `${out}: ${trainer.steps} steps, loss ${last?.loss}`;
  process.stdout.write(`${summary}\n`);
}

async function samples(
  out: string,
  { input, target }: Batch,
  output: { readonly dims: readonly number[]; readonly data: Float32Array },
): Promise<void> {
  const columns = [input, output, target].map((batch) => imagesOf(batch as typeof output));
  const rows = Array.from({ length: Math.min(SAMPLES, columns[0]?.length ?? 0) }, (_, i) =>
    columns.flatMap((images) => images[i] ?? []),
  );
  await writeSamples(out, ['input', 'output', 'target'], rows);
}
