/** `globalperc demo`, with few steps: everything it writes and says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'globalperc-demo-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (...args: string[]) =>
  spawnSync(process.execPath, [command, 'demo', ...args], { cwd: folder, encoding: 'utf8' });

it('the demo trains twice and shows both', async () => {
  const { status, stdout } = run('--steps', '3', '--json');
  expect(status).toBe(0);
  const { out, results } = JSON.parse(stdout);
  expect(results.map(({ name }: { name: string }) => name)).toEqual(['input', 'L1', 'L1 + GlobalPercLoss']);
  for (const { name, gmsd, psnr, lpips } of results) {
    expect(gmsd).toBeGreaterThan(0);
    expect(psnr).toBeGreaterThan(10);
    // LPIPS is no independent judge of what was trained on AlexNet's activations.
    expect(lpips).toEqual(
      name === 'L1 + GlobalPercLoss' ? null : expect.toSatisfy((value: number) => value > 0 && value < 1),
    );
  }
  expect(readdirSync(join(folder, out)).sort()).toEqual([
    'GlobalPercLoss',
    'L1',
    'curves.png',
    'curves.svg',
    'samples.png',
  ]);
  // Six columns of 192 pixels: the input, both students, the target, and what is still wrong with either; below, the scale.
  const { width, height } = await sharp(join(folder, out, 'samples.png')).metadata();
  expect([width, height]).toEqual([12 + 6 * 204, 40 + 4 * 204 + 28]);
});
