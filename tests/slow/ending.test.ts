/** Processes that end at many moments of their worker's work have their own exit code, every time. */
import { describe, expect, it } from 'vitest';
import { ENDINGS, type Ending, ended } from '../runtime/ending.js';

const TIMES = 5;

/** How far apart the moments are, so that they fall all over the work. */
const APART_MS = { load: 50, open: 125, run: 30 } as const;

describe.each(['load', 'open', 'run'] as const)('while the worker is at %s', (phase) => {
  it.each(Object.keys(ENDINGS) as Ending[])(
    `ended ${TIMES} times by %s`,
    async (how) => {
      for (let time = 0; time < TIMES; time += 1) {
        expect(await ended(how, phase, time * APART_MS[phase]), `time ${time}`).toEqual([ENDINGS[how], '']);
      }
    },
    300_000,
  );
});
