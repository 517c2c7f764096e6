/** A process that ends while its worker computes has its own exit code. More of them in tests/slow. */
import { expect, it } from 'vitest';
import { ENDINGS, ended } from './ending.js';

it.each([
  ['exit', 'run', 30],
  ['throw', 'run', 40],
  ['reject', 'run', 40],
  ['nothing', 'run', 0],
  ['exit', 'open', 150],
  ['exit', 'load', 15],
] as const)('ended by %s while the worker is at %s, after %i ms', async (how, phase, delay) => {
  expect(await ended(how, phase, delay)).toEqual([ENDINGS[how], '']);
});
