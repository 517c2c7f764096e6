/** What a run of `globalperc train` needs, and the `.ts` or `.js` configurations that export it. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataLoader, Logger } from '../data/index.js';
import { GlobalPercError, type nn, type Objective, type optim, type TrainerOptions } from '../index.js';
import {
  anything,
  type Checks,
  checkOptions,
  count,
  matching,
  recordOf,
  refused,
  required,
  withMethods,
} from '../options/index.js';
import { loadPeer } from '../peers/index.js';
import { VALIDATION, type Validation } from './validation.js';

/** Everything a run needs; what a `.ts` or `.js` configuration exports as its default. */
export interface TrainConfig {
  readonly student: nn.AnyModule;
  readonly loss: Objective;
  readonly optimizer: optim.Optimizer;
  readonly data: DataLoader;
  readonly steps: number;
  /** Steps between two checkpoints. Default 100. */
  readonly checkpointEvery?: number;
  readonly trainer?: Omit<TrainerOptions, 'batch' | 'seed'>;
  /** What judges the run. */
  readonly validation?: Validation;
  /** What follows the run beside its log. */
  readonly logger?: Logger;
}

/** What the command line says about a run. */
export interface RunOptions {
  readonly seed: number;
  readonly threads: number | undefined;
}

/** Objects are known by what they have: a configuration may use another copy of this package than the command does. */
const CONFIG: Checks<TrainConfig> = {
  student: required(withMethods<nn.AnyModule>('an nn.Module', 'forward', 'stateDict')),
  loss: required(matching(isObjective, 'a loss, such as new nn.L1Loss()')),
  optimizer: required(withMethods<optim.Optimizer>('an optimiser, such as new optim.AdamW()', 'update', 'optionsFor')),
  data: required(withMethods<DataLoader>('a DataLoader', 'stream')),
  steps: required(count),
  checkpointEvery: count,
  // Checked by the Trainer.
  trainer: recordOf(anything, 'an object of options'),
  validation: (value, where) => checkOptions(value, VALIDATION, where),
  logger: withMethods<Logger>('a Logger, such as new TensorBoardLogger(folder)', 'scalars', 'image', 'flush'),
};

export function isObjective(value: unknown): value is Objective {
  return (Object(value) as Partial<Objective>).description !== undefined;
}

/** @throws GlobalPercError naming what should be exported, and what came instead. */
export function requireTrainConfig(path: string, exported: unknown): TrainConfig {
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    const wanted = '{ student, loss, optimizer, data, steps }, or a function that returns it';
    throw refused(`${path}: what it exports as default`, wanted, exported);
  }
  return checkOptions<TrainConfig>(exported, CONFIG, path);
}

/** What a module exports. */
interface Exports {
  readonly default?: unknown;
}

/** Reads a `.ts`, `.js` or `.mjs`. @throws GlobalPercError on what it exports, or when it fails. */
export const fromModule = async (path: string, options: RunOptions): Promise<TrainConfig> =>
  requireTrainConfig(path, await exportedBy(path, options));

/** What a `.ts`, `.js` or `.mjs` exports as its default, or what that function gives. @throws GlobalPercError when it fails. */
export async function exportedBy(path: string, options: RunOptions): Promise<unknown> {
  const { createJiti } = await loadPeer('jiti', () => import('jiti'));
  const url = pathToFileURL(resolve(path)).href;
  const failed = (what: string, error: unknown): never => {
    if (error instanceof GlobalPercError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new GlobalPercError(`${path} ${what}: ${message}`, { code: 'invalid-file', cause: error });
  };
  // Its own way of finding the default export fails on null.
  const { default: found } = await createJiti(import.meta.url, { interopDefault: false })
    .import<Exports>(url)
    .catch((error: unknown) => failed('cannot be loaded', error));
  // A module that was compiled to CommonJS.
  const isCompiled = typeof found === 'object' && found !== null && '__esModule' in found;
  const exported = isCompiled ? (found as Exports).default : found;
  // A function gets the command line's seed.
  const make = async (): Promise<unknown> => (typeof exported === 'function' ? await exported(options) : exported);
  return make().catch((error: unknown) => failed('exports a function that failed', error));
}
