/** Losses of the package by name, where a command takes a model. */
import { refuseOverwriting } from '../files/index.js';
import { DISTS, GlobalPercError, type Loss, LPIPS } from '../index.js';
import type { Files, ModelOptions } from './model-options.js';

type Make = (weights: string | undefined) => Promise<Loss & { readonly sha256: string | undefined }>;

const given = (weights: string | undefined): { weights?: string } => (weights === undefined ? {} : { weights });

const LOSSES: Readonly<Record<string, Make>> = {
  lpips: (weights) => LPIPS.load(given(weights)),
  'lpips:alex': (weights) => LPIPS.load(given(weights)),
  'lpips:vgg': (weights) => LPIPS.load({ net: 'vgg', ...given(weights) }),
  'lpips:squeeze': (weights) => LPIPS.load({ net: 'squeeze', ...given(weights) }),
  dists: (weights) => DISTS.load({ ...given(weights) } as { weights: string }),
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

/**
 * Loads a loss of the package, and says on stderr which weights it has read.
 * @throws GlobalPercError on options of models, without the weights it needs, and when a file to write is one that is read.
 */
export async function openBuiltIn(
  name: string,
  options: ModelOptions,
  { reads = [], writes = [] }: Files,
): Promise<Loss> {
  const option = Object.entries(OF_MODELS).find(([key]) => options[key as keyof typeof OF_MODELS] !== undefined)?.[1];
  if (option !== undefined) {
    throw new GlobalPercError(`${name} has its own model, hooks and distance and takes no ${option}`, {
      code: 'invalid-option',
    });
  }
  const { weights } = options;
  await refuseOverwriting(writes, weights === undefined ? reads : [weights, ...reads]);
  const loss = await (LOSSES[name] as Make)(weights);
  if (loss.sha256 !== undefined) process.stderr.write(`${weights}: SHA-256 ${loss.sha256}\n`);
  return loss;
}
