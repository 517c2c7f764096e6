/** The configuration of `globalperc train`: JSON by names, or a module that builds the objects itself. */
import { nn } from '../index.js';
import { readJson, withProgress } from './common.js';
import { fromJSON } from './train-json.js';
import { fromModule, type RunOptions, type TrainConfig } from './train-module.js';

/** Reads `.json`, `.ts`, `.js` or `.mjs`. @throws GlobalPercError on a missing file or a bad value, naming it. */
export async function readTrainConfig(path: string, options: RunOptions): Promise<TrainConfig> {
  nn.manualSeed(options.seed);
  if (/\.[cm]?[jt]s$/.test(path)) return fromModule(path, options);
  const json = await readJson(path);
  return withProgress((step) => fromJSON(json, path, options, step));
}
