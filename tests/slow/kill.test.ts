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
    steps: 600,
    checkpointEvery: 5,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts a run; resolves with its exit code, or null when it was killed. */
function train(out: string, resume: boolean, killAfter?: number): Promise<number | null> {
  const args = [
    cli,
    'train',
    join(folder, 'config.json'),
    '--out',
    out,
    '--threads',
    '1',
    ...(resume ? ['--resume'] : []),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  if (killAfter !== undefined) void wait(killAfter).then(() => child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    child.on('close', (code) => (code === null || code === 0 ? resolve(code) : reject(new Error(complaints))));
  });
}

const losses = async (out: string): Promise<number[]> =>
  (await readFile(join(out, 'log.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).loss);

it(`survives ${KILLS} kills`, async () => {
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  expect(await train(whole, false)).toBe(0);
  const checkpoints = new Set<string>();
  for (let kills = 0; kills < KILLS; kills += 1) {
    const code = await train(killed, checkpoints.size > 0, 700 + 900 * Math.random());
    expect(code, 'the run was over before it could be killed').toBeNull();
    const last = (await readdir(killed).catch(() => [])).filter((name) => name.startsWith('checkpoint-')).sort();
    for (const name of last.slice(-1)) checkpoints.add(name);
  }
  expect(checkpoints.size, 'kills hit the run while it took steps').toBeGreaterThan(KILLS / 2);
  expect(await train(killed, true)).toBe(0);
  expect(await losses(killed)).toEqual(await losses(whole));
}, 300_000);
