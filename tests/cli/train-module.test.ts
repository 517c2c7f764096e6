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
  expect(requireTrainConfig('c.ts', GOOD)).toBe(GOOD);
  const more = { ...GOOD, checkpointEvery: 2, trainer: { ema: 0.9 } };
  expect(requireTrainConfig('c.ts', more)).toBe(more);
});

it.each<[string, unknown, string]>([
  [
    'a number',
    1,
    'c.ts should export default { student, loss, optimizer, data, steps }, or a function that returns it, got 1',
  ],
  ['nothing', undefined, 'got undefined'],
  ['null', null, 'got null'],
  ['text', 'x', "got 'x'"],
  ['a list', [GOOD], 'got an array'],
  [
    'a promise',
    { ...GOOD, student: Promise.resolve(1) },
    "'student' should be an nn.Module, got a promise: await it first",
  ],
  ['a class', { ...GOOD, loss: nn.L1Loss }, "'loss' should be a loss, such as new nn.L1Loss(), got the class L1Loss"],
  [
    'another object',
    { ...GOOD, student: GOOD.loss },
    "'student' should be an nn.Module, got an object of class L1Loss",
  ],
  [
    'a rate for an optimiser',
    { ...GOOD, optimizer: 0.1 },
    "'optimizer' should be an optimiser, such as new optim.AdamW(), got 0.1",
  ],
  ['a data set for a loader', { ...GOOD, data: new TensorDataset([one], [one]) }, "'data' should be a DataLoader"],
  ['text for steps', { ...GOOD, steps: '3' }, "'steps' should be a positive integer, got '3'"],
  ['half a step', { ...GOOD, steps: 0.5 }, 'got 0.5'],
  [
    'no steps between checkpoints',
    { ...GOOD, checkpointEvery: 0 },
    "'checkpointEvery' should be a positive integer, got 0",
  ],
  ['a number of options', { ...GOOD, trainer: 1 }, "'trainer' should be an object of options, got 1"],
  ['no loss', { ...GOOD, loss: undefined }, "'loss' is missing"],
  ['an unknown key', { ...GOOD, stepz: 1 }, "the key 'stepz', which is not known"],
])('refuses %s', (_label, exported, message) => {
  expect(() => requireTrainConfig('c.ts', exported)).toThrow(GlobalPercError);
  expect(() => requireTrainConfig('c.ts', exported)).toThrow(message);
});
