/** Whatever a public function or constructor is given in the place of its arguments, it says so itself. */
import { describe, expect, it } from 'vitest';
import * as data from '../../src/data/index.js';
import * as diffusion from '../../src/diffusion/index.js';
import * as api from '../../src/index.js';
import { expectRefusals } from '../support/wrong-arguments.js';

/** Not called by users: they are made by functions, or work on the symbolic tensors of a graph. */
const INTERNAL = new Set([
  ...['Tensor', 'concat', 'Draws', 'EncodedTarget', 'Model', 'TrainableModel', 'Loss', 'Optimizer'],
  // Opened by a static function.
  ...['GlobalPercError', 'ImageFolder', 'PairedImageFolder', 'PipelineFolder'],
  // Networks, which are of full size by default.
  ...['UNet2DConditionModel', 'AutoencoderKL', 'AutoencoderTiny', 'CLIPTextModel'],
]);

type Called = (...given: readonly unknown[]) => unknown;

function publicOf(namespace: object, prefix: string): [string, Called][] {
  return Object.entries(namespace).flatMap(([name, value]): [string, Called][] => {
    if (INTERNAL.has(name)) return [];
    if (typeof value === 'object') return publicOf(value, `${prefix}${name}.`);
    if (typeof value !== 'function') return [];
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    const made: Called = (...given) => new (value as new (...given: unknown[]) => unknown)(...given);
    const statics = isClass
      ? Object.getOwnPropertyNames(value).filter((key) => typeof value[key] === 'function' && key !== 'prototype')
      : [];
    return [
      [prefix + name, isClass ? made : value],
      ...statics.map((key): [string, Called] => [
        `${prefix}${name}.${key}`,
        (...given) => (value as Record<string, Called>)[key]?.(...given),
      ]),
    ];
  });
}

const { nn, models: _, AdversarialTrainer, Trainer, ...others } = api;
const { L1Loss, MSELoss, SmoothL1Loss, HuberLoss, BCEWithLogitsLoss, CrossEntropyLoss, WeightedLoss } = nn;
const losses = { L1Loss, MSELoss, SmoothL1Loss, HuberLoss, BCEWithLogitsLoss, CrossEntropyLoss, WeightedLoss };
const cases = [
  ...publicOf(others, ''),
  ...publicOf(losses, 'nn.'),
  ...publicOf(data, 'data.'),
  ...publicOf(diffusion, 'diffusion.'),
  ['ImageFolder.open', (...given: unknown[]) => data.ImageFolder.open(...(given as [string]))] as const,
  [
    'PairedImageFolder.open',
    (...given: unknown[]) => data.PairedImageFolder.open(...(given as [string, string])),
  ] as const,
  [
    'AdversarialTrainer.create',
    (...given: unknown[]) => AdversarialTrainer.create(...(given as Parameters<typeof AdversarialTrainer.create>)),
  ] as const,
  ['Trainer.create', (...given: unknown[]) => Trainer.create(...(given as Parameters<typeof Trainer.create>))] as const,
];

describe('wrong arguments end in one line of ours', () => {
  it('reaches the whole library', () => {
    expect(cases.map(([name]) => name)).toEqual(
      expect.arrayContaining(['loadModel', 'optim.AdamW', 'data.DataLoader']),
    );
    expect(cases.length).toBeGreaterThan(60);
  });

  it.each(cases)('%s', async (_name, call) => {
    await expectRefusals(call);
  });
});
