/** `globalperc demo`, with few steps: everything it writes and says. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'globalperc-demo-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (...args: string[]) =>
  spawnSync(process.execPath, [command, 'demo', ...args], { cwd: folder, encoding: 'utf8' });

describe('demo', () => {
  it('trains twice and shows both', async () => {
    const { status, stdout } = run('--steps', '3', '--json');
    expect(status).toBe(0);
    const { out, results } = JSON.parse(stdout);
    expect(results.map(({ name }: { name: string }) => name)).toEqual(['input', 'L1', 'GlobalPercLoss']);
    for (const { gmsd, psnr } of results) {
      expect(gmsd).toBeGreaterThan(0);
      expect(psnr).toBeGreaterThan(10);
    }
    expect(readdirSync(join(folder, out)).sort()).toEqual([
      'GlobalPercLoss',
      'L1',
      'curves.png',
      'curves.svg',
      'samples.png',
    ]);
    const { width = 0, height = 0 } = await sharp(join(folder, out, 'samples.png')).metadata();
    expect(Math.min(width, height)).toBeGreaterThan(500);
  });

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
