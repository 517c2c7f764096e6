/** What is handed to public functions by mistake, and what must come of it. */
import { expect } from 'vitest';
import { GlobalPercError } from '../../src/index.js';

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

async function failure(task: () => unknown): Promise<unknown> {
  try {
    await task();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Calls a function with everything that is wrong: each call succeeds, or fails in one line of ours. */
export async function expectRefusals(call: (...given: readonly unknown[]) => unknown): Promise<void> {
  for (const given of WRONG) {
    const error = await failure(() => call(...given));
    if (error === undefined) continue;
    expect(error, `given ${given.map(String).join(', ')}: ${(error as Error).stack}`).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).not.toContain('\n');
  }
}
