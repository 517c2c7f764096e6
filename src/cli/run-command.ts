/** What the commands that train share: their options, event files, and what they say at the end. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Logger, TensorBoardLogger } from '../data/index.js';
import { oneOf } from '../options/index.js';
import { INTERRUPTED, parseInteger, parseThreads } from './common.js';
import type { LogEntry } from './log-entry.js';
import { writeCurves } from './report.js';
import { BEST, requireRunFolder } from './run-folder.js';
import { RunningMean } from './running-mean.js';
import { readLog } from './training-run.js';
import type { Validator } from './validation.js';

/** The options as they are given. */
export interface RunFlags {
  readonly out: string;
  readonly resume?: boolean;
  readonly seed: string;
  readonly threads?: string;
  readonly log?: string;
  readonly json?: boolean;
}

/** Declares them. @param files what the run's folder will hold. */
export const addRunOptions = (command: Command, files: string): Command =>
  command
    .argument('<CONFIG>')
    .option('--out <FOLDER>', files, 'run')
    .option('--resume', 'go on from the last checkpoint in --out')
    .option('--seed <NUMBER>', 'initial weights, order of the data, dropout, crops', '0')
    .option('--threads <COUNT>', 'threads of ONNX Runtime; default: the cores available')
    .option('--log <KIND>', 'tensorboard: event files in --out, beside log.jsonl')
    .option('--json', 'print one JSON object at the end');

/** What they say. @throws GlobalPercError for a value that is none, and a folder that a run may not be written to. */
export async function parseRun({ out, resume = false, log, ...options }: RunFlags) {
  const seed = parseInteger(options.seed, '--seed', 0);
  const threads = parseThreads(options.threads);
  if (log !== undefined) oneOf('tensorboard')(log, '--log');
  const anew = await requireRunFolder(out, resume);
  if (anew) process.stderr.write(`'${out}' holds a run that ended before its first checkpoint; it is begun anew\n`);
  return { seed, threads, out, resume, log };
}

/** Says how an interrupted run goes on. */
export function stopped(step: number, out: string): void {
  process.stderr.write(`stopped and saved at step ${step}; go on with --resume --out ${out}\n`);
  process.exitCode = INTERRUPTED;
}

/** Event files of a run, with its configuration where that is JSON. @param taken steps before this process. */
export async function tensorBoard(path: string, out: string, taken: number): Promise<Logger> {
  const about = path.endsWith('.json') && { about: ['```', (await readFile(path, 'utf8')).trim(), '```'].join('\n') };
  return new TensorBoardLogger(out, { ...(taken > 0 && { from: taken + 1 }), ...about });
}

/** Draws the curves of a run that is complete, and prints what it has come to. */
export async function summarize(steps: number, out: string, json?: boolean, best?: Validator['best']): Promise<void> {
  const entries = await drawCurves(out);
  process.stdout.write(`${summaryOf(entries, steps, out, best, json)}\n`);
}

/** Draws the loss, and that of the validation data, up to now. @returns the log. */
export async function drawCurves(out: string): Promise<readonly LogEntry[]> {
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
