/** A disk that is full, for a while, at any moment of a run. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  checkpointsIn,
  endOf,
  halfWritten,
  inFolder,
  litterIn,
  start,
  stateOf,
  times,
  training,
  writeConfig,
} from '../common.mjs';

const STEPS = 200;

/** A disk of four megabytes at a folder, where this user may mount one. @param {string} folder */
function mounted(folder) {
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'globalperc', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Fills a disk but for some kilobytes. @param {string} disk @param {number} left */
function fill(disk, left) {
  const { bavail, bsize } = statfsSync(disk);
  try {
    writeFileSync(join(disk, 'filler'), new Uint8Array(Math.max(0, bavail * bsize - left * 1024)));
  } catch {
    // The run has taken what was to be left.
  }
}

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const count = times(scale, 10);
    const config = await writeConfig(folder, STEPS);
    const [whole, disk] = [join(folder, 'whole'), join(folder, 'disk')];
    const begun = performance.now();
    await endOf(start(training(config, whole, false)));
    const length = performance.now() - begun;
    const isDisk = mounted(disk);
    /** @type {string[]} */
    const lost = [];
    let stopped = 0;
    try {
      for (let number = 0; number < count; number += 1) {
        const out = join(disk, `${number}`);
        const env = { GLOBALPERC_CACHE: join(disk, 'cache') };
        // Without a disk of its own, files may not grow beyond some size: smaller than a checkpoint, or than the log will be.
        const shell = isDisk ? undefined : `trap "" XFSZ; ulimit -f ${1 + Math.floor(60 * Math.random())}`;
        const broken = start([...training(config, out, false), ...(number % 2 ? ['--log', 'tensorboard'] : [])], {
          env,
          ...(shell && { shell }),
        });
        if (isDisk) {
          await Promise.race([wait(length * Math.random()), broken.ended]);
          fill(disk, 40 * Math.random());
        }
        const { code, said } = await endOf(broken);
        if (code !== 0) stopped += 1;
        const reason = isDisk ? /the disk is full/ : /larger than is allowed/;
        if (code !== 0 && !(code === 2 && reason.test(said) && !/\n {4}at /.test(said)))
          lost.push(`run ${number} ended with ${code}: ${said.slice(-300)}`);
        lost.push(...(await halfWritten(out)).map((problem) => `run ${number}: ${problem}`));
        rmSync(join(disk, 'filler'), { force: true });
        const last = await endOf(start(training(config, out, checkpointsIn(out).length > 0), { env }));
        if (last.code !== 0)
          lost.push(`run ${number}, gone on with, ended with ${last.code}: ${last.said.slice(-300)}`);
        if (stateOf(out) !== stateOf(whole)) lost.push(`run ${number} came to something else than an unbroken one`);
        lost.push(...litterIn(out).map((name) => `run ${number} left ${name} behind`));
        rmSync(out, { recursive: true });
      }
    } finally {
      if (isDisk) execFileSync('umount', [disk]);
    }
    const how = isDisk
      ? 'on a disk of 4 MB (tmpfs) that is filled at a random moment'
      : 'whose files may not exceed a random size (ulimit -f)';
    return {
      tried: `${count} training runs ${how}, gone on with when there is room again`,
      lost,
      found: `${stopped} stopped with one line that says so, the others were done before; checkpoint, log and exported student bit-equal to an unbroken run's`,
    };
  });
