/** What `globalperc demo` refuses; what it does is in `tests/slow/demo.test.ts`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeResults } from '../../src/cli/demo-report.js';
import { runHere } from '../support/command.js';

const folder = mkdtempSync(join(tmpdir(), 'globalperc-demo-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (...args: string[]) => runHere(['demo', ...args], folder);

describe('demo', () => {
  it('refuses the folder of somebody else, and a file', async () => {
    mkdirSync(join(folder, 'mine'));
    writeFileSync(join(folder, 'mine', 'samples.png'), 'mine');
    expect((await run('--out', 'mine')).stderr).toBe(
      "globalperc: 'mine' is not empty and holds something else (samples.png); take a new folder for --out\n",
    );
    const { status, stderr } = await run('--out', 'mine/samples.png');
    expect([status, stderr]).toEqual([2, "globalperc: --out 'mine/samples.png' is a file; name a folder\n"]);
    expect(readFileSync(join(folder, 'mine', 'samples.png'), 'utf8')).toBe('mine');
  });

  it('refuses more threads than a machine can start', async () => {
    const { status, stderr } = await run('--threads', '1e9');
    expect([status, stderr]).toEqual([2, "globalperc: --threads should be an integer from 1 to 1024, got '1e9'\n"]);
  });

  it('refuses a number of steps that is none', async () => {
    const { status, stderr } = await run('--steps', 'many');
    expect(status).toBe(2);
    expect(stderr).toBe("globalperc: --steps should be a number, got 'many'\n");
  });

  it('says which student LPIPS could not judge independently', () => {
    const rows = [
      { name: 'L1', gmsd: 0.03453, psnr: 29.706, lpips: 0.2 },
      { name: 'GlobalPercLoss', gmsd: 0.0148, psnr: 29.95, lpips: null },
    ];
    expect(describeResults(rows).split('\n')).toEqual([
      'photographs kept out of training    GMSD   PSNR   LPIPS',
      'L1                                0.0345  29.71  0.2000',
      'GlobalPercLoss                    0.0148  29.95       -',
      'GMSD and LPIPS: lower is more alike; PSNR: higher. No student was trained on GMSD or PSNR.',
      'LPIPS compares activations of AlexNet; GlobalPercLoss was trained on them, so it could not judge that student independently.',
    ]);
  });
});
