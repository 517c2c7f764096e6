/** Runs of `globalperc train` under a clock that is set back over and over. */
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  at,
  checkpointsIn,
  endOf,
  halfWritten,
  inFolder,
  litterIn,
  logOf,
  namesIn,
  start,
  stateOf,
  times,
  training,
  writeConfig,
} from '../common.mjs';

const STEPS = 200;

const eventsIn = (/** @type {string} */ out) => namesIn(out).filter((name) => name.startsWith('events.'));

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const runs = times(scale, 5);
    const config = await writeConfig(folder, STEPS);
    const env = { GLOBALPERC_CACHE: join(folder, 'cache') };
    const whole = join(folder, 'whole');
    await endOf(start(training(config, whole, false), { env }));
    /** @type {string[]} */
    const lost = [];
    for (let number = 0; number < runs; number += 1) {
      // What was written before comes from the future.
      for (const name of namesIn(join(folder, 'cache/programs')))
        utimesSync(join(folder, 'cache/programs', name), new Date(2100, 1), new Date(2100, 1));
      const out = join(folder, `${number}`);
      const shifted = (/** @type {boolean} */ resume) =>
        start(['--import', at('programs/clock.mjs'), ...training(config, out, resume), '--log', 'tensorboard'], {
          env,
        });
      const { child, ended } = shifted(false);
      while (logOf(out).length < STEPS / 2 && child.exitCode === null) await wait(5);
      child.kill('SIGKILL');
      await ended;
      const before = eventsIn(out);
      const { code, said } = await endOf(shifted(checkpointsIn(out).length > 0));
      if (code !== 0) lost.push(`run ${number} ended with ${code}: ${said.slice(-300)}`);
      if (stateOf(out) !== stateOf(whole)) lost.push(`run ${number} came to something else than one with a true clock`);
      // TensorBoard reads them in the order of their names: those of the second process must come behind.
      if (eventsIn(out).slice(0, before.length).join() !== before.join())
        lost.push(`run ${number}: event files out of order`);
      lost.push(...(await halfWritten(out)), ...litterIn(out).map((name) => `left behind: ${name}`));
    }
    return {
      tried: `${runs} training runs whose clock (\`Date\`, in both threads) is set back up to five times a second, by up to ten years; each killed halfway and gone on with; files of the future in the program store`,
      lost,
      found: `checkpoint, log and exported student bit-equal to those of a run with a true clock`,
    };
  });
