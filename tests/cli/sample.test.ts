/** `globalperc sample`: a picture by the small pipeline of the fixtures. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readImage } from '../../src/data/index.js';
import { runHere } from '../support/command.js';

const data = fileURLToPath(new URL('../../fixtures/data/diffusion', import.meta.url));
const pipeline = `${data}/pipeline`;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sample-'));
});
afterAll(() => rm(folder, { recursive: true }));

const sample = (name: string, ...options: string[]) =>
  runHere([
    'sample',
    pipeline,
    '--prompt',
    'a red fox',
    '--out',
    join(folder, name),
    '--size',
    '16x8',
    '--steps',
    '2',
    ...options,
  ]);

it('writes a picture of a text, the same for the same seed, another with adapters', async () => {
  const plain = await sample('plain.png');
  expect([plain.status, plain.stdout]).toEqual([0, `${join(folder, 'plain.png')}: 16 × 8, "a red fox"\n`]);
  expect(plain.stderr).toMatch(/^step 1\/2, [\d.]+ s each\nstep 2\/2, /);
  expect((await readImage(join(folder, 'plain.png'))).dims).toEqual([1, 3, 8, 16]);
  expect((await sample('again.png', '--sampler', 'dpm')).status).toBe(0);
  expect((await sample('adapted.png', '--lora', `${data}/lora/kohya.safetensors`)).status).toBe(0);
  const [first, second, third] = ['plain', 'again', 'adapted'].map((name) => readFileSync(join(folder, `${name}.png`)));
  expect(second).toEqual(first);
  expect(third).not.toEqual(first);
});

it.each([
  [['--size', '16'], "--size should be such as 512x512, got '16'"],
  [['--size', '17x16'], "--size should be of multiples of 2, got '17x16'"],
  [['--sampler', 'pndm'], "--sampler should be one of ddim, euler, dpm, got 'pndm'"],
  [['--steps', 'many'], "--steps should be a number, got 'many'"],
  [['--lora', `${data}/pipeline/vae/diffusion_pytorch_model.safetensors`], "has no adapters for 'unet'"],
])('refuses %j', async (options, message) => {
  const { status, stderr } = await sample('refused.png', ...options);
  expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
});
