/** All stored games, and one that is killed: it ends with exactly the checkpoint of one that is left alone. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../docs/documents.js';
import { cases, expectGame } from '../support/adversarial.js';

describe('twenty steps of both networks', () => {
  it.each(cases.filter(({ test: { lr } }) => lr))('$label', ({ test }) => expectGame(test));
});

const KILLS = 4;
const STEPS = 60;

/** Plays on from where the folder was left, and saves every second step. */
const SCRIPT = `
import { existsSync, readdirSync } from 'node:fs';
import { AdversarialTrainer, Generator, GlobalPercConfig, GlobalPercLossDiscriminator, loadModel, nn, optim } from '${ROOT}/dist/index.js';
const folder = process.argv[2];
nn.manualSeed(1);
const config = new GlobalPercConfig({ modulesToHook: [/features\\.(10|13)$/], printData: false });
const discriminator = new GlobalPercLossDiscriminator(await loadModel('${ROOT}/fixtures/data/training/vgg.onnx'), config, { heads: 'conv' });
const gan = await AdversarialTrainer.create(new nn.Conv2d(3, 3, 3, { padding: 1 }), discriminator, {
  reconstruction: new nn.L1Loss(), loss: 'hinge', augment: ['color', 'translation'], r1: 0.1,
  generatorOptimizer: new optim.AdamW({ lr: 1e-3 }), discriminatorOptimizer: new optim.Adam({ lr: 1e-3 }), batch: [2, 3, 16, 16], session: { intraOpNumThreads: 1 },
});
if (existsSync(folder) && readdirSync(folder).length > 0) await gan.load(folder);
const image = (seed) => {
  const generator = new Generator(seed);
  return { dims: [2, 3, 16, 16], data: Float32Array.from({ length: 1536 }, () => generator.uniform()) };
};
while (gan.steps < ${STEPS}) {
  await gan.step(image(2 * gan.steps), image(2 * gan.steps + 1));
  if (gan.steps % 2 === 0) await gan.save(folder);
}
await gan.dispose();
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-game-'));
  await writeFile(join(folder, 'play.mjs'), SCRIPT);
});
afterAll(() => rm(folder, { recursive: true }));

const checkpoints = async (out: string): Promise<string[]> =>
  (await readdir(out).catch(() => [])).filter((name) => name.startsWith('checkpoint-')).sort();

/** Plays to the end, or until `kill` more checkpoints were seen. @returns the exit code, null when it was killed. */
async function play(out: string, kill = Number.POSITIVE_INFINITY): Promise<number | null> {
  const child = spawn(process.execPath, [join(folder, 'play.mjs'), out], { stdio: ['ignore', 'ignore', 'inherit'] });
  const closed = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  let [seen, last] = [0, (await checkpoints(out)).at(-1)];
  while (seen < kill && child.exitCode === null) {
    const now = (await checkpoints(out)).at(-1);
    if (now !== last) seen += 1;
    last = now;
    await wait(2);
  }
  if (child.exitCode === null) {
    await wait(10 * Math.random());
    child.kill('SIGKILL');
  }
  return closed;
}

async function files(out: string): Promise<Record<string, string>> {
  const last = join(out, (await checkpoints(out)).at(-1) as string);
  const names = (await readdir(last)).sort();
  const read = async (name: string) => [name, (await readFile(join(last, name))).toString('base64')] as const;
  return Object.fromEntries(await Promise.all(names.map(read)));
}

it(`a game survives ${KILLS} kills`, async () => {
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  expect(await play(whole)).toBe(0);
  for (let kills = 0; kills < KILLS; kills += 1) expect(await play(killed, 4)).toBeNull();
  expect(await play(killed)).toBe(0);
  expect(await files(killed)).toEqual(await files(whole));
}, 300_000);
