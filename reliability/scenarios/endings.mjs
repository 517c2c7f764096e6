/** A process that ends by itself at any moment of a run has its own exit code, and can be gone on from. */
import { join } from 'node:path';
import { at, endOf, halfWritten, inFolder, start, times } from '../common.mjs';

const STEPS = 60;
const PROGRAM = at('programs/train.mjs');

/** How it ends, and the exit code or signal. @type {[string, number | string][]} */
const ENDINGS = [
  ['exit', 3],
  ['throw', 1],
  ['reject', 1],
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGTERM'],
];

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const rounds = times(scale, 5);
    const [whole, out] = [join(folder, 'whole'), join(folder, 'ended')];
    const begun = performance.now();
    await endOf(start([PROGRAM, whole, `${STEPS}`]));
    const length = performance.now() - begun;
    /** @type {string[]} */
    const lost = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const [how, expected] of ENDINGS) {
        const args = ['--import', at('programs/ending.mjs'), PROGRAM, out, '1000000'];
        const delay = Math.round(length * Math.random());
        const { code, said } = await endOf(start(args, { env: { ENDING: `${how}:${delay}` } }));
        if (code !== expected) lost.push(`${how} after ${delay} ms: ended with ${code}: ${said.slice(-300)}`);
        lost.push(...(await halfWritten(out)));
      }
    }
    return {
      tried: `${rounds} × each of process.exit, an uncaught error, an unhandled rejection, SIGINT and SIGTERM at a random moment of a training run`,
      lost,
      found: 'always the exit code or signal of its own',
    };
  });
