/**
 * What the library survives: soaks, kills, full memory and disks, damaged files. Each scenario runs in a process of its own.
 *
 *   npm run build && node reliability/run.mjs [scenario …] [--scale 0.02]
 *
 * A whole run keeps what it has found in reliability/results.json, and writes RELIABILITY.md from there; a scaled one prints it. Exits 1 if anything was lost.
 */
import { fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { at } from './common.mjs';
import { keep } from './report.mjs';

/** @typedef {import('./common.mjs').Outcome & { seconds: number }} Result */

const { values, positionals } = parseArgs({
  options: { scale: { type: 'string', default: '1' }, child: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const scale = Number(values.scale);

const SCENARIOS = readdirSync(at('scenarios'))
  .map((file) => file.replace('.mjs', ''))
  .sort();

/** @param {string} name @returns {Promise<Result>} */
function inProcess(name) {
  const started = performance.now();
  const child = fork(at('run.mjs'), [name, '--scale', `${scale}`, '--child'], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, GLOBALPERC_CACHE: 'off' },
  });
  return new Promise((resolve) => {
    /** @type {import('./common.mjs').Outcome} */
    let outcome = { tried: name, lost: ['its process ended without a word'], found: '' };
    child.on('message', (message) => {
      outcome = /** @type {import('./common.mjs').Outcome} */ (message);
    });
    child.on('close', (code) => {
      const seconds = Math.round((performance.now() - started) / 1000);
      resolve({ ...outcome, lost: code === 0 ? outcome.lost : [...outcome.lost, `exit code ${code}`], seconds });
    });
  });
}

if (values.child) {
  const { run } = await import(`./scenarios/${positionals[0]}.mjs`);
  const outcome = await run(scale);
  process.send?.(outcome, () => process.disconnect());
} else {
  const unknown = positionals.filter((name) => !SCENARIOS.includes(name));
  if (unknown.length > 0) throw new Error(`there is no scenario ${unknown}; there are ${SCENARIOS.join(', ')}`);
  for (const name of positionals.length > 0 ? positionals : SCENARIOS) {
    const result = await inProcess(name);
    console.log(JSON.stringify({ name, ...result, lost: result.lost.slice(0, 10).map((line) => line.slice(0, 400)) }));
    if (result.lost.length > 0) process.exitCode = 1;
    if (scale === 1) keep(name, result);
  }
}
