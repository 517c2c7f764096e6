/** Readers of JSON: what they read. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTrainConfig } from '../dist/cli/train-config.js';
import { augmentationFromJSON, degradationFromJSON, readStateDict } from '../dist/data/index.js';
import { CLIPTokenizer, DDPM, UNet2DConditionModel } from '../dist/diffusion/index.js';
import { parsePreprocessor } from '../dist/hub/preprocessor.js';
import { GlobalPercConfig, optim, transforms } from '../dist/index.js';
import { writeConfig } from './common.mjs';
import { asFile, data, jsonOf } from './readers.mjs';

const PERCEPTUAL = {
  modulesToHook: ['Conv2d', '/features/'],
  curveForce: 3,
  startWeight: 0.1,
  lossFunc: { type: 'cosine' },
  transformNormalization: [{ centerCrop: [8, 8] }, { normalize: { mean: [0.5], std: [0.2] } }],
};
const OPTIMIZERS = [
  { adamW: { lr: 1e-3, betas: [0.9, 0.99], schedule: { cosineAnnealing: { tMax: 100 } } } },
  { sgd: { lr: 1, momentum: 0.5 } },
];
const TRANSFORMS = [
  [{ centerCrop: [50, 50] }, { pad: 10 }, { resize: { size: 25, interpolation: 'bicubic' } }, { randomShift: 7 }],
  [{ permuteChannels: [2, 1, 0] }, { grayscale: { numOutputChannels: 3 } }, { normalize: { mean: [0], std: [1] } }],
];
const AUGMENTATIONS = [[{ randomCrop: 64 }, { centerCrop: [64, 96] }, { randomHorizontalFlip: 0.5 }, 'randomRotate90']];
const DEGRADATIONS = [
  { superResolution: { scale: 4 } },
  { inpaint: { count: 4, size: [0.1, 0.3] } },
  { denoise: { sigma: 0.1 } },
];
const PREPROCESSOR = { image_mean: [0.5, 0.5, 0.5], size: { shortest_edge: 224 }, do_resize: true };

/** @param {string} folder for files @returns {Promise<import('./readers.mjs').Reader[]>} */
export async function jsonReaders(folder) {
  const run = JSON.parse(readFileSync(await writeConfig(folder, 3), 'utf8'));
  const shards = 'checkpoints/safetensors/';
  for (const shard of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'])
    copyFileSync(data(`${shards}${shard}`), join(folder, shard));
  const tokenizer = {
    vocab: jsonOf('diffusion/pipeline/tokenizer/vocab.json'),
    merges: readFileSync(data('diffusion/pipeline/tokenizer/merges.txt'), 'utf8').split('\n').slice(1, 50),
  };
  return [
    { name: 'GlobalPercConfig', share: 2, sources: [PERCEPTUAL], read: (json) => GlobalPercConfig.fromJSON(json) },
    { name: 'optimisers', share: 2, sources: OPTIMIZERS, read: (json) => optim.fromJSON(json) },
    { name: 'transforms', share: 2, sources: TRANSFORMS, read: (json) => transforms.fromJSON(json) },
    { name: 'augmentations', share: 1, sources: AUGMENTATIONS, read: (json) => augmentationFromJSON(json) },
    { name: 'degradations', share: 1, sources: DEGRADATIONS, read: (json) => degradationFromJSON(json) },
    {
      name: 'configuration of a run',
      share: 2,
      sources: [run],
      read: asFile(join(folder, 'damaged.json'), (path) => readTrainConfig(path, { seed: 0, threads: 1 })),
    },
    {
      name: 'index of weights',
      share: 1,
      sources: [jsonOf(`${shards}model.safetensors.index.json`)],
      read: asFile(join(folder, 'model.safetensors.index.json'), readStateDict),
    },
    {
      name: 'preprocessor_config.json',
      share: 1,
      sources: [PREPROCESSOR],
      read: (json) => parsePreprocessor(JSON.stringify(json), 'file'),
    },
    {
      name: 'scheduler_config.json',
      share: 1,
      sources: [jsonOf('diffusion/pipeline/scheduler/scheduler_config.json')],
      read: (json) => DDPM.fromConfig(json),
    },
    {
      name: 'config.json of a U-Net',
      share: 1,
      sources: [jsonOf('diffusion/pipeline/unet/config.json')],
      read: (json) => UNet2DConditionModel.fromConfig(json),
    },
    { name: 'tokenizer', share: 1, sources: [tokenizer], read: (json) => new CLIPTokenizer(json).encode(['a cat']) },
  ];
}
