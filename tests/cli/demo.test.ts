/** What `globalperc demo` refuses; what it does is in `tests/slow/demo.test.ts`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'globalperc-demo-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (...args: string[]) =>
  spawnSync(process.execPath, [command, 'demo', ...args], { cwd: folder, encoding: 'utf8' });

describe('demo', () => {
  it('refuses the folder of somebody else, and a file', () => {
    mkdirSync(join(folder, 'mine'));
    writeFileSync(join(folder, 'mine', 'samples.png'), 'mine');
    expect(run('--out', 'mine').stderr).toBe(
      "globalperc: 'mine' is not empty and holds something else (samples.png); take a new folder for --out\n",
    );
    const { status, stderr } = run('--out', 'mine/samples.png');
    expect([status, stderr]).toEqual([2, "globalperc: --out 'mine/samples.png' is a file; name a folder\n"]);
    expect(readFileSync(join(folder, 'mine', 'samples.png'), 'utf8')).toBe('mine');
  });

  it('refuses more threads than a machine can start', () => {
    const { status, stderr } = run('--threads', '1e9');
    expect([status, stderr]).toEqual([2, "globalperc: --threads should be an integer from 1 to 1024, got '1e9'\n"]);
  });

  it('refuses a number of steps that is none', () => {
    const { status, stderr } = run('--steps', 'many');
    expect(status).toBe(2);
    expect(stderr).toBe("globalperc: --steps should be a number, got 'many'\n");
  });
});
