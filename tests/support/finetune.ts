/** Pictures with captions, and runs of `globalperc finetune` on them by the small pipeline of the fixtures. */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { encodePng } from '../../src/data/index.js';
import { filesBelow } from '../hub/hub.js';
import { runHere } from './command.js';

export const pipeline = fileURLToPath(new URL('../../fixtures/data/diffusion/pipeline', import.meta.url));

const PARTS = /^(scheduler|text_encoder|tokenizer|unet|vae)\//;

/** Its files by their paths, as a repository of the hub. */
export const pipelineFiles = (): Record<string, Uint8Array> =>
  Object.fromEntries(
    filesBelow(pipeline)
      .filter((path) => PARTS.test(path))
      .map((path) => [path, new Uint8Array(readFileSync(join(pipeline, path)))]),
  );

export let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'finetune-'));
  await mkdir(join(folder, 'photos'));
  for (const [i, name] of ['fox', 'hen', 'owl'].entries()) {
    const data = Float32Array.from({ length: 3 * 18 * 20 }, (_, k) => (1 + Math.sin(k * (i + 1))) / 2);
    await writeFile(join(folder, 'photos', `${name}.png`), await encodePng({ dims: [3, 18, 20], data }));
  }
  await writeFile(join(folder, 'photos', 'fox.txt'), 'a red fox\n');
  await writeFile(join(folder, 'photos', 'metadata.jsonl'), '{"file_name": "hen.png", "text": "a hen"}\n');
});
afterAll(() => rm(folder, { recursive: true }));

export const plain = {
  model: pipeline,
  train: { lora: { rank: 2 } },
  terms: [[{ noise: { snrGamma: 5 } }, 1]],
  data: { folder: 'photos', size: 16, caption: 'a bird' },
  optimizer: { adamW: { lr: 1e-3 } },
  steps: 2,
};

/** Runs `globalperc finetune` with a changed configuration, into a folder of that name. */
export const finetune = async (name: string, changed: object = {}, ...options: string[]) => {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ ...plain, ...changed }));
  return runHere(['finetune', path, '--out', join(folder, name), ...options]);
};

export const logOf = (name: string): { loss: number; gradNorm: number }[] =>
  readFileSync(join(folder, name, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
