/** A training run that is killed at random moments ends with exactly the losses of one that is left alone. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Generator } from '../../src/random/index.js';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const KILLS = 10;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-kill-'));
  await mkdir(join(folder, 'photos'));
  const generator = new Generator(1);
  for (let i = 0; i < 5; i += 1) {
    const pixels = Uint8Array.from({ length: 24 * 24 * 3 }, () => generator.integer(256));
    await sharp(pixels, { raw: { width: 24, height: 24, channels: 3 } })
      .png()
      .toFile(join(folder, 'photos', `${i}.png`));
  }
  const config = {
    student: { unet: { width: 4, depth: 1 } },
    loss: { l1: {} },
    optimizer: { adamW: { lr: 1e-3 } },
    data: { folder: 'photos', augment: [{ randomCrop: 16 }], degradation: { denoise: { sigma: 0.1 } }, batchSize: 2 },
    steps: 900,
    checkpointEvery: 5,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
});
afterAll(() => rm(folder, { recursive: true }));

const losses = async (out: string): Promise<number[]> =>
  (await readFile(join(out, 'log.jsonl'), 'utf8').catch(() => ''))
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).loss);

/**
 * Starts a run; resolves with its exit code, or null when it was killed. The kill comes so many logged steps
 * later, not after a time: a fast machine would be done before a clock strikes, a slow one not yet begun.
 */
async function train(out: string, resume: boolean, killAfterSteps = Number.POSITIVE_INFINITY): Promise<number | null> {
  const killAt = (await losses(out)).length + killAfterSteps;
  const config = join(folder, 'config.json');
  const args = [cli, 'train', config, '--out', out, '--threads', '1', ...(resume ? ['--resume'] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.on('close', (code) => (code === null || code === 0 ? resolve(code) : reject(new Error(complaints))));
  });
  while (killAfterSteps !== Number.POSITIVE_INFINITY && child.exitCode === null) {
    if ((await losses(out)).length >= killAt) {
      // A few milliseconds of chance, so that the kill falls within steps and within writing checkpoints.
      await wait(10 * Math.random());
      child.kill('SIGKILL');
      break;
    }
    await wait(2);
  }
  return closed;
}

it(`survives ${KILLS} kills`, async () => {
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  expect(await train(whole, false)).toBe(0);
  const checkpoints = new Set<string>();
  for (let kills = 0; kills < KILLS; kills += 1) {
    const code = await train(killed, checkpoints.size > 0, 1 + 40 * Math.random());
    expect(code, 'the run was over before it could be killed').toBeNull();
    const last = (await readdir(killed).catch(() => [])).filter((name) => name.startsWith('checkpoint-')).sort();
    for (const name of last.slice(-1)) checkpoints.add(name);
  }
  expect(checkpoints.size, 'kills hit the run while it took steps').toBeGreaterThan(KILLS / 2);
  expect(await train(killed, true)).toBe(0);
  expect(await losses(killed)).toEqual(await losses(whole));
}, 300_000);
