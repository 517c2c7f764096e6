/** One training run in a folder: steps, log, checkpoints, and what is shown of them. */
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SingleBar } from 'cli-progress';
import { type Logger, writeAtomically } from '../data/index.js';
import { makeFolder, reasonOf } from '../files/index.js';
import { GlobalPercError, type StepInput, type StepResult, type TensorLike, type Trainer } from '../index.js';
import { loadPeer } from '../peers/index.js';
import type { LogEntry } from './log-entry.js';
import { LOG } from './run-folder.js';
import { RunningMean } from './running-mean.js';
import type { Validator } from './validation.js';

/** What a step is given. */
export interface StepBatch {
  /** A tensor, or one for each of the student's inputs; the first one tells how many samples there are. */
  readonly input: StepInput;
  readonly target?: TensorLike;
}

/** What a run needs. */
export interface TrainingRun {
  readonly trainer: Trainer;
  /** Batches from the trainer's present step on. */
  readonly batches: AsyncIterable<StepBatch>;
  /** Steps of the whole run. */
  readonly steps: number;
  /** Folder for log and checkpoints. */
  readonly out: string;
  /** Steps between two checkpoints. */
  readonly checkpointEvery: number;
  /** Shown in front of the progress bar. */
  readonly label: string;
  readonly validator?: Validator | undefined;
  /** What follows the run beside its log. */
  readonly logger?: Logger | undefined;
  /** Called after every step. */
  readonly afterStep?: (step: number) => Promise<void>;
  /** Called before a checkpoint is saved; the log has all steps by then. */
  readonly atCheckpoint?: (step: number) => Promise<void>;
}

/** Lines that are written to the log at once. */
const LOG_EVERY_MS = 500;

/** Ctrl-C asks a run to stop after its present step. */
class Interrupt {
  requested = false;
  private readonly request = (): void => {
    this.requested = true;
  };

  listen(): void {
    process.on('SIGINT', this.request);
    process.on('SIGTERM', this.request);
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.request);
    process.off('SIGTERM', this.request);
  }
}

/**
 * Takes steps until the run is complete or interrupted, and saves a checkpoint at the end of either.
 * @returns whether it is complete.
 * @throws GlobalPercError when the loss becomes NaN or the disk is full; the last checkpoint stays.
 */
export async function takeSteps(run: TrainingRun): Promise<boolean> {
  const { trainer, steps, out, checkpointEvery } = run;
  await makeFolder(out);
  using interrupt = new Interrupt();
  interrupt.listen();
  const log = new Log(join(out, LOG));
  const former = await log.keepUntil(trainer.steps);
  run.validator?.recall(former);
  const progress = new Progress(run, former, await barFor(run));
  try {
    if (trainer.steps < steps && !run.validator?.isExhausted) {
      let named = false;
      for await (const { input, target } of run.batches) {
        const start = performance.now();
        const result = await trainer.step(input, target);
        const seconds = (performance.now() - start) / 1000;
        const validation = await run.validator?.after(result.step);
        await log.add({ ...entryOf(result, seconds, named), ...(validation && { validation }) });
        if (run.logger) follow(run.logger, result, samplesOf(input), seconds, validation);
        named = true;
        progress.show(result, samplesOf(input), validation?.loss);
        await run.afterStep?.(result.step);
        const done = trainer.steps >= steps || run.validator?.isExhausted || interrupt.requested;
        if (done || trainer.steps % checkpointEvery === 0) {
          await log.flush();
          await run.atCheckpoint?.(result.step);
          await run.logger?.flush();
          await trainer.save(out);
        }
        if (done) break;
      }
    }
    return trainer.steps >= steps || run.validator?.isExhausted === true;
  } finally {
    await log.flush();
    await run.logger?.flush();
    progress.stop();
  }
}

function samplesOf(input: StepInput): number {
  const { dims } = ('dims' in input ? input : Object.values(input)[0]) as TensorLike;
  return dims[0] as number;
}

/** Hands a step to a logger; with a run's first one the weights of the hooks, at their numbers. */
function follow(
  logger: Logger,
  result: StepResult,
  images: number,
  seconds: number,
  validation: Readonly<Record<string, number>> = {},
): void {
  const { step, loss, gradNorm, lr, hooks, logged } = result;
  if (step === 1) for (const [i, { weight }] of hooks.entries()) logger.scalars(i, { 'weight by hook': weight });
  const byHook = hooks.map((hook) => [`hooks/${hook.path || hook.class}`, hook.loss] as const);
  const judged = Object.entries(validation).map(([name, value]) => [`validation/${name}`, value] as const);
  logger.scalars(step, {
    loss,
    'gradient norm': gradNorm,
    lr,
    'images per second': images / seconds,
    ...logged,
    ...Object.fromEntries([...byHook, ...judged]),
  });
}

/** @param named whether the log says already what its hooks are called. */
const entryOf = (
  { step, loss, gradNorm, lr, hooks, logged }: StepResult,
  seconds: number,
  named: boolean,
): LogEntry => ({
  step,
  loss,
  gradNorm,
  lr,
  hooks: hooks.map((hook) => hook.loss),
  ...(!named && hooks.length > 0 && { paths: hooks.map(({ path, class: name }) => path || name) }),
  ...(Object.keys(logged).length > 0 && { logged }),
  seconds,
});

/** The entries of a run's log. @throws GlobalPercError when there is none. */
export async function readLog(out: string): Promise<LogEntry[]> {
  const path = join(out, LOG);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
  });
  return text.split('\n').flatMap(parseLine);
}

/** A kill may leave the last line unfinished. */
function parseLine(line: string): LogEntry[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as LogEntry];
  } catch {
    return [];
  }
}

/** The log: lines are collected and written twice a second. */
class Log {
  private readonly path: string;
  private waiting: string[] = [];
  private written = performance.now();

  constructor(path: string) {
    this.path = path;
  }

  /** Drops what was logged after the checkpoint that the run goes on from. @returns what is kept. */
  async keepUntil(step: number): Promise<readonly LogEntry[]> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    const kept =
      step === 0
        ? []
        : text
            .split('\n')
            .flatMap(parseLine)
            .filter((entry) => entry.step <= step);
    await writeAtomically(this.path, kept.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    return kept;
  }

  async add(entry: LogEntry): Promise<void> {
    this.waiting.push(`${JSON.stringify(entry)}\n`);
    if (performance.now() - this.written > LOG_EVERY_MS) await this.flush();
  }

  async flush(): Promise<void> {
    const lines = this.waiting.join('');
    this.waiting = [];
    this.written = performance.now();
    await appendFile(this.path, lines).catch((error: unknown) => {
      throw new GlobalPercError(`cannot write '${this.path}': ${reasonOf(error)}`, { code: 'io', cause: error });
    });
  }
}

async function barFor({ label }: TrainingRun): Promise<SingleBar | undefined> {
  if (!process.stderr.isTTY) return undefined;
  const { SingleBar } = await loadPeer('cli-progress', () => import('cli-progress'));
  return new SingleBar({
    format: `${label} {bar} {value}/{total}  mean loss {loss}{judged}  {speed} images/s  {memory} MB  {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    etaBuffer: 50,
  });
}

/** A bar with mean loss, speed, memory of the process and time left on a terminal; elsewhere a line every ten seconds. */
class Progress {
  private readonly run: TrainingRun;
  private readonly started = performance.now();
  private lastLine = performance.now();
  private readonly first: number;
  private readonly losses: RunningMean;
  private judged = '';

  constructor(
    run: TrainingRun,
    former: readonly LogEntry[],
    private readonly bar: SingleBar | undefined,
  ) {
    this.run = run;
    this.first = run.trainer.steps;
    this.losses = new RunningMean(former.map(({ loss }) => loss));
    bar?.start(run.steps, this.first, { loss: '–', speed: '–', memory: '–', judged: '' });
  }

  /** @param judged loss of the validation data, where a pass was made. */
  show({ step, loss }: StepResult, images: number, judged?: number): void {
    if (judged !== undefined) this.judged = `  validation ${judged.toPrecision(4)}`;
    const seconds = (performance.now() - this.started) / 1000;
    this.losses.add(loss);
    const mean = this.losses.mean.toPrecision(4);
    const speed = (((step - this.first) * images) / seconds).toFixed(1);
    const memory = (process.memoryUsage.rss() / 1e6).toFixed(0);
    this.bar?.update(step, { loss: mean, speed, memory, judged: this.judged });
    if (this.bar || performance.now() - this.lastLine < 10_000) return;
    this.lastLine = performance.now();
    const left = Math.round(((this.run.steps - step) * seconds) / (step - this.first));
    process.stderr.write(
      `${this.run.label} ${step}/${this.run.steps}  mean loss ${mean}${this.judged}  ${speed} images/s  ${memory} MB  ${left} s left\n`,
    );
  }

  stop(): void {
    this.bar?.stop();
  }
}
