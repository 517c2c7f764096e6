/** The configuration of `globalperc train`: JSON by names, or a module that builds the objects itself. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataLoader } from '../data/index.js';
import { GlobalPercError, nn, type Objective, type optim, type TrainerOptions } from '../index.js';
import { readJson } from './common.js';
import { fromJSON } from './train-json.js';
import { requireTrainConfig } from './train-module.js';

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
}

/** What the command line says about a run. */
export interface RunOptions {
  readonly seed: number;
  readonly threads: number | undefined;
}

/** Reads `.json`, `.ts`, `.js` or `.mjs`. @throws GlobalPercError on a missing file or a bad value, naming it. */
export async function readTrainConfig(path: string, options: RunOptions): Promise<TrainConfig> {
  nn.manualSeed(options.seed);
  if (/\.[cm]?[jt]s$/.test(path)) return fromModule(path, options);
  return fromJSON(await readJson(path), path, options);
}

/** What a module exports. */
interface Exports {
  readonly default?: unknown;
}

async function fromModule(path: string, options: RunOptions): Promise<TrainConfig> {
  const { createJiti } = await import('jiti');
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
  return requireTrainConfig(
    path,
    await make().catch((error: unknown) => failed('exports a function that failed', error)),
  );
}
