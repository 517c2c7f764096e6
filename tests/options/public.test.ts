/** Whatever a public function or constructor is given in the place of its arguments, it says so itself. */
import { describe, expect, it } from 'vitest';
import * as data from '../../src/data/index.js';
import * as api from '../../src/index.js';

/** What callers hand in by mistake: nothing, other types, other objects. */
const WRONG: readonly (readonly unknown[])[] = [
  [],
  [undefined],
  [null],
  [null, null, null],
  [{}],
  [{}, {}, {}],
  [[]],
  [[], []],
  ['/nowhere/text'],
  ['/nowhere/text', 'text', 'text'],
  [''],
  [NaN],
  [-1, -1, -1],
  [1.5],
  [true],
  [Symbol('symbol')],
  [() => 1],
  [{ unheardOf: 1 }],
  [new Float32Array(2)],
  [Promise.resolve(1)],
  [[null], [null]],
  [{ dims: [2], data: 'ab' }],
  [{ dims: null, data: null }, null],
];

/** Not called by users: they are made by functions, or work on the symbolic tensors of a graph. */
const INTERNAL = new Set([
  ...['Tensor', 'concat', 'Draws', 'EncodedTarget', 'Model', 'TrainableModel', 'Loss', 'Optimizer'],
  // Opened by a static function.
  ...['GlobalPercError', 'ImageFolder', 'PairedImageFolder'],
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

const { nn, models: _, Trainer, ...others } = api;
const { L1Loss, MSELoss, SmoothL1Loss, HuberLoss, BCEWithLogitsLoss, CrossEntropyLoss, WeightedLoss } = nn;
const losses = { L1Loss, MSELoss, SmoothL1Loss, HuberLoss, BCEWithLogitsLoss, CrossEntropyLoss, WeightedLoss };
const cases = [
  ...publicOf(others, ''),
  ...publicOf(losses, 'nn.'),
  ...publicOf(data, 'data.'),
  ['ImageFolder.open', (...given: unknown[]) => data.ImageFolder.open(...(given as [string]))] as const,
  [
    'PairedImageFolder.open',
    (...given: unknown[]) => data.PairedImageFolder.open(...(given as [string, string])),
  ] as const,
  ['Trainer.create', (...given: unknown[]) => Trainer.create(...(given as Parameters<typeof Trainer.create>))] as const,
];

async function failure(task: () => unknown): Promise<unknown> {
  try {
    await task();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('wrong arguments end in one line of ours', () => {
  it('reaches the whole library', () => {
    expect(cases.map(([name]) => name)).toEqual(
      expect.arrayContaining(['loadModel', 'optim.AdamW', 'data.DataLoader']),
    );
    expect(cases.length).toBeGreaterThan(60);
  });

  it.each(cases)('%s', async (_name, call) => {
    for (const given of WRONG) {
      const error = await failure(() => call(...given));
      if (error === undefined) continue;
      expect(error, `given ${given.map(String).join(', ')}: ${(error as Error).stack}`).toBeInstanceOf(
        api.GlobalPercError,
      );
      expect((error as Error).message).not.toContain('\n');
    }
  });
});
