/** Losses of the package by name, where a command takes a model. */
import { refuseOverwriting } from '../files/index.js';
import { DISTS, type DISTSOptions, GlobalPercError, type Loss, LPIPS, type NetworkLoss } from '../index.js';
import type { Files, ModelOptions } from './model-options.js';
import { type AllSteps, note } from './progress.js';

/** What remains to be said of them. */
interface Given {
  readonly weights?: string;
}

const LOSSES: Readonly<Record<string, (given: Given) => NetworkLoss>> = {
  lpips: (given) => new LPIPS(given),
  'lpips:alex': (given) => new LPIPS(given),
  'lpips:vgg': (given) => new LPIPS({ net: 'vgg', ...given }),
  'lpips:squeeze': (given) => new LPIPS({ net: 'squeeze', ...given }),
  dists: (given) => new DISTS(given as DISTSOptions),
};

/** What is settled for a loss by name. */
const OF_MODELS = {
  config: '--config',
  hook: '--hook',
  inputRange: '--input-range',
  image: '--image',
  set: '--set',
  file: '--file',
} as const;

/** Whether a loss of the package has this name. */
export const isBuiltIn = (name: string): boolean => Object.hasOwn(LOSSES, name);

/** Reads the files of a loss of the package, and tells which weights it has read. Throws as its `load` does. */
export async function loaded(loss: NetworkLoss, weights: string | undefined, step: AllSteps): Promise<NetworkLoss> {
  await loss.load(step);
  if (loss.sha256 !== undefined) note(`${weights}: SHA-256 ${loss.sha256}`);
  return loss;
}

/**
 * Loads a loss of the package by its name.
 * @throws GlobalPercError on options of models, without the weights it needs, and when a file to write is one that is read.
 */
export async function openBuiltIn(
  name: string,
  options: ModelOptions,
  step: AllSteps,
  { reads = [], writes = [] }: Files,
): Promise<Loss> {
  const option = Object.entries(OF_MODELS).find(([key]) => options[key as keyof typeof OF_MODELS] !== undefined)?.[1];
  if (option !== undefined) {
    throw new GlobalPercError(`${name} has its own model, hooks and distance and takes no ${option}`, {
      code: 'invalid-option',
    });
  }
  const { weights } = options;
  const make = LOSSES[name] as (given: Given) => NetworkLoss;
  const loss = await loaded(make(weights === undefined ? {} : { weights }), weights, step);
  await refuseOverwriting(writes, [...(loss.description.files ?? []), ...reads]);
  return loss;
}
