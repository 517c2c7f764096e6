/** A process that may not have more than some memory, and asks for larger and larger losses. */
import { at, endOf, start, times } from '../common.mjs';

const PROGRAM = at('programs/growing.mjs');

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export async function run(scale) {
  const count = times(scale, 5);
  /** @type {string[]} */
  const lost = [];
  let byV8 = 0;
  for (let number = 0; number < count; number += 1) {
    const limit = Math.round((700 + 400 * Math.random()) * 1000);
    const args = [PROGRAM, number % 2 === 0 ? 'blocked' : 'free', `${Math.round(250 + 300 * Math.random())}`];
    // What a process may write to, its heaps and their arenas.
    const { code, said } = await endOf(start(args, { shell: `ulimit -d ${limit}` }));
    // No page for a small object of JavaScript: Node ends the process, and nobody is asked.
    if (code === 'SIGABRT' && /v8::internal/.test(said)) {
      byV8 += 1;
      continue;
    }
    const { refused, same } = code === 0 ? JSON.parse(said.trim().split('\n').at(-1) ?? '') : {};
    if (refused?.code !== 'out-of-memory' || !same)
      lost.push(`${args.slice(1)} within ${limit} kB: ${code}: ${said.slice(-300)}`);
  }
  return {
    tried: `${count} processes that may have 700 to 1,100 MB (ulimit -d) differentiate a loss for larger and larger images until memory ends; every second one blocked in synchronous calls`,
    lost,
    found: `an error of code out-of-memory that says what to do, and a small image afterwards has the same value as before; ${byV8} were ended by Node itself, which found no page for a small object of JavaScript`,
  };
}
