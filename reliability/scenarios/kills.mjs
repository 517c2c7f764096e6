/** A run of `globalperc train`, killed with SIGKILL at any moment: while it starts, trains, saves, and writes its results. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import {
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

const STEPS = 300;

/** When the n-th kill comes. @param {number} kill @param {number} kills @param {string} out @param {number} startup milliseconds */
async function moment(kill, kills, out, startup) {
  // The last ones while the results are written.
  if (kill >= kills * 0.8) {
    await until(() => logOf(out).length >= STEPS);
    return wait(100 * Math.random());
  }
  if (kill % 3 === 0) return wait(1.2 * startup * Math.random());
  const steps = logOf(out).length + 60 * Math.random();
  await until(() => logOf(out).length >= steps);
  if (kill % 3 === 1) return wait(10 * Math.random());
  // In the midst of a checkpoint.
  await until(() => isWriting(out), 0);
}

const isWriting = (/** @type {string} */ out) => namesIn(out).some((name) => name.startsWith('.unfinished'));

/** @param {() => boolean} happened @param {number} [pause] milliseconds between looks */
async function until(happened, pause = 2) {
  for (const begun = Date.now(); !happened() && Date.now() - begun < 60_000; )
    await (pause > 0 ? wait(pause) : setImmediate());
}

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const kills = times(scale, 25);
    const config = await writeConfig(folder, STEPS);
    const env = { GLOBALPERC_CACHE: join(folder, 'cache') };
    const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
    const begun = performance.now();
    const first = start(training(config, whole, false), { env });
    await until(() => logOf(whole).length > 0);
    const startup = performance.now() - begun;
    await endOf(first);
    /** @type {string[]} */
    const lost = [];
    await mkdir(killed);
    let torn = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      const { child, ended } = start(training(config, killed, checkpointsIn(killed).length > 0), { env });
      await Promise.race([moment(kill, kills, killed, startup), ended]);
      child.kill('SIGKILL');
      const { code, said } = await ended;
      if (code !== 'SIGKILL' && code !== 0) lost.push(`kill ${kill}: the run ended with ${code}: ${said}`);
      if (isWriting(killed)) torn += 1;
      lost.push(...(await halfWritten(killed)).map((problem) => `kill ${kill}: ${problem}`));
    }
    const { code, said } = await endOf(start(training(config, killed, checkpointsIn(killed).length > 0), { env }));
    if (code !== 0) lost.push(`the last run ended with ${code}: ${said}`);
    if (stateOf(killed) !== stateOf(whole)) lost.push('the run came to something else than an unbroken one');
    lost.push(...litterIn(killed).map((name) => `left behind: ${name}`));
    return {
      tried: `${kills} × SIGKILL at a random moment of a training run of ${STEPS} steps`,
      lost,
      found: `checkpoint, log and exported student bit-equal to an unbroken run's; ${torn} kills fell into the writing of a checkpoint`,
    };
  });
