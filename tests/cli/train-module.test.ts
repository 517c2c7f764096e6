/** What a module may export as the configuration of a run. */
import { expect, it } from 'vitest';
import { requireTrainConfig } from '../../src/cli/train-module.js';
import { DataLoader, TensorDataset } from '../../src/data/index.js';
import { GlobalPercError, nn, optim } from '../../src/index.js';

const one = { dims: [1], data: Float32Array.of(1) };
const GOOD = {
  student: new nn.Linear(1, 1),
  loss: new nn.L1Loss(),
  optimizer: new optim.SGD({ lr: 0.1 }),
  data: new DataLoader(new TensorDataset([one], [one])),
  steps: 3,
};

it('takes what is complete, with options or without', () => {
  expect(requireTrainConfig('c.ts', GOOD)).toEqual(GOOD);
  const more = { ...GOOD, checkpointEvery: 2, trainer: { ema: 0.9 } };
  expect(requireTrainConfig('c.ts', more)).toEqual(more);
});

it.each<[string, unknown, string]>([
  [
    'a number',
    1,
    'c.ts: what it exports as default should be { student, loss, optimizer, data, steps }, or a function that returns it, got 1',
  ],
  ['nothing', undefined, 'got undefined'],
  ['null', null, 'got null'],
  ['text', 'x', 'got "x"'],
  ['a list', [GOOD], 'got an array'],
  [
    'a promise',
    { ...GOOD, student: Promise.resolve(1) },
    'c.ts: student should be an nn.Module, got a promise: await it first',
  ],
  [
    'a class',
    { ...GOOD, loss: nn.L1Loss },
    'c.ts: loss should be a loss, such as new nn.L1Loss(), got the class L1Loss',
  ],
  [
    'another object',
    { ...GOOD, student: GOOD.loss },
    'c.ts: student should be an nn.Module, got an object of class L1Loss',
  ],
  [
    'a rate for an optimiser',
    { ...GOOD, optimizer: 0.1 },
    'c.ts: optimizer should be an optimiser, such as new optim.AdamW(), got 0.1',
  ],
  ['a data set for a loader', { ...GOOD, data: new TensorDataset([one], [one]) }, 'c.ts: data should be a DataLoader'],
  ['text for steps', { ...GOOD, steps: '3' }, 'c.ts: steps should be an integer from 1 on, got "3"'],
  ['half a step', { ...GOOD, steps: 0.5 }, 'got 0.5'],
  [
    'no steps between checkpoints',
    { ...GOOD, checkpointEvery: 0 },
    'c.ts: checkpointEvery should be an integer from 1 on, got 0',
  ],
  [
    'a logger without pictures',
    { ...GOOD, logger: { scalars: () => undefined, flush: async () => undefined } },
    'c.ts: logger should be a Logger, such as new TensorBoardLogger(folder)',
  ],
  ['a number of options', { ...GOOD, trainer: 1 }, 'c.ts: trainer should be an object of options, got 1'],
  ['no loss', { ...GOOD, loss: undefined }, "'loss' is missing"],
  ['an unknown key', { ...GOOD, stepz: 1 }, "c.ts: 'stepz' is not known; did you mean 'steps'?"],
])('refuses %s', (_label, exported, message) => {
  expect(() => requireTrainConfig('c.ts', exported)).toThrow(GlobalPercError);
  expect(() => requireTrainConfig('c.ts', exported)).toThrow(message);
});
