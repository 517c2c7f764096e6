/** The configuration of `globalperc train`: JSON by names, or a module that builds the objects itself. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataLoader } from '../data/index.js';
import { GlobalPercError, nn, type Objective, type optim, type TrainerOptions } from '../index.js';
import { readJson } from './common.js';
import { fromJSON } from './train-json.js';

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

/** A function gets the command line's seed. */
type Exported = TrainConfig | ((options: RunOptions) => TrainConfig | Promise<TrainConfig>);

/** Reads `.json`, `.ts`, `.js` or `.mjs`. @throws GlobalPercError on a missing file or a bad value, naming it. */
export async function readTrainConfig(path: string, options: RunOptions): Promise<TrainConfig> {
  nn.manualSeed(options.seed);
  if (/\.[cm]?[jt]s$/.test(path)) return fromModule(path, options);
  return fromJSON(await readJson(path), path, options);
}

async function fromModule(path: string, options: RunOptions): Promise<TrainConfig> {
  const { createJiti } = await import('jiti');
  const url = pathToFileURL(resolve(path)).href;
  const exported = await createJiti(import.meta.url)
    .import<Exported | undefined>(url, { default: true })
    .catch((error: Error) => {
      throw new GlobalPercError(`${path} cannot be loaded: ${error.message}`);
    });
  const config = typeof exported === 'function' ? await exported(options) : exported;
  const missing = ['student', 'loss', 'optimizer', 'data', 'steps'].find((key) => !(config && key in config));
  if (missing || !config)
    throw new GlobalPercError(
      `${path} should export default { student, loss, optimizer, data, steps }; '${missing}' is missing`,
    );
  return config;
}
