/** `globalperc train` as a user calls it: files, resumption, Ctrl-C, one line per mistake. */
import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireRunFolder } from '../../src/cli/run-folder.js';
import { loadModel } from '../../src/model/index.js';
import { Generator } from '../../src/random/index.js';
import { runHere } from '../support/command.js';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const teacher = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));

let folder = '';
const at = (name: string): string => join(folder, name);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command; with `interrupt` Ctrl-C is pressed as soon as that run has saved its first checkpoint. */
function start(args: readonly string[], interrupt?: string): Promise<Ended> {
  const child = spawn(process.execPath, [command, ...args], { cwd: folder });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const watch = setInterval(async () => {
    if (interrupt && (await readdir(at(interrupt)).catch(() => [])).some((name) => name.startsWith('checkpoint-'))) {
      clearInterval(watch);
      child.kill('SIGINT');
    }
  }, 20);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearInterval(watch);
      resolve({ code, stdout, stderr });
    });
  });
}

const BASE = {
  student: { unet: { width: 4, depth: 1 } },
  loss: { l1: {} },
  optimizer: { adamW: { lr: 1e-3, schedule: { cosineAnnealing: { tMax: 6 } } } },
  data: {
    folder: 'photos',
    augment: [{ randomCrop: 16 }, 'randomHorizontalFlip'],
    degradation: 'autoencode',
    batchSize: 2,
  },
  steps: 6,
};

async function config(name: string, changes: object = {}): Promise<string> {
  await writeFile(at(name), JSON.stringify({ ...BASE, ...changes }));
  return name;
}

const losses = async (out: string): Promise<number[]> =>
  (await readFile(join(at(out), 'log.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).loss);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-train-'));
  const generator = new Generator(5);
  await mkdir(at('photos'));
  await mkdir(at('empty'));
  for (let i = 0; i < 3; i += 1) {
    const pixels = Uint8Array.from({ length: 24 * 20 * 3 }, () => generator.integer(256));
    await sharp(pixels, { raw: { width: 24, height: 20, channels: 3 } })
      .png()
      .toFile(join(at('photos'), `${i}.png`));
  }
  await writeFile(join(at('photos'), 'broken.png'), 'no image');
  await copyFile(teacher, at('vgg.onnx'));
  await mkdir(at('others'));
  await copyFile(join(at('photos'), '0.png'), join(at('others'), '0.png'));
  await mkdir(at('own'));
  await copyFile(teacher, at('own/student.onnx'));
  await mkdir(at('foreign'));
  await writeFile(at('foreign/log.jsonl'), '{"event":"login"}\n');
  await writeFile(at('number.ts'), 'export default 1;');
  await writeFile(at('failing.ts'), "export default () => { throw new TypeError('no data today'); };");
  await writeFile(at('broken.ts'), 'export default {');
});
afterAll(() => rm(folder, { recursive: true }));

describe('a run', () => {
  it('writes log, checkpoint, pictures and a student that can be loaded; names what it skipped', async () => {
    const { code, stdout, stderr } = await start(['train', await config('whole.json'), '--out', 'whole', '--json']);
    expect(stderr).toContain('broken.png');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ out: 'whole', steps: 6 });
    expect((await readdir(at('whole'))).sort()).toEqual(
      ['checkpoint-00000006', 'curves.png', 'curves.svg', 'log.jsonl', 'samples.png', 'student.onnx'].sort(),
    );
    const model = await loadModel(join(at('whole'), 'student.onnx'));
    expect(model.input.declaredShape).toEqual(['batch', 3, 'height', 'width']);
  });

  it('leaves samples with its checkpoints, and says once what its hooks are called', async () => {
    const loss = { perceptual: { teacher: 'vgg.onnx', modulesToHook: ['ReLU'] } };
    const path = await config('samples.json', {
      loss,
      steps: 5,
      checkpointEvery: 2,
      student: { unet: { width: 4, depth: 1 } },
    });
    const { status, stderr } = await runHere(['train', path, '--out', 'samples', '--log', 'tensorboard'], folder);
    expect([status, stderr]).toEqual([0, expect.anything()]);
    const written = await readdir(at('samples'));
    const names = written.filter((name) => name.startsWith('samples'));
    expect(names.sort()).toEqual(['samples-00000002.png', 'samples-00000004.png', 'samples.png']);
    const lines = (await readFile(join(at('samples'), 'log.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0].paths).toHaveLength(lines[0].hooks.length);
    expect(lines[0].paths.every((name: unknown) => typeof name === 'string' && name !== '')).toBe(true);
    expect(lines.slice(1).some(({ paths }) => paths !== undefined)).toBe(false);
    const events = await readFile(
      join(at('samples'), written.find((name) => name.includes('tfevents')) ?? ''),
      'latin1',
    );
    // A name ends where the number begins.
    const hook = `hooks/${lines[0].paths[0]}\x15`;
    const counts = ['loss\x15', 'weight by hook', hook, 'samples', '"batchSize":2'].map(
      (tag) => events.split(tag).length - 1,
    );
    expect(counts).toEqual([5, lines[0].hooks.length, 5, 2, 1]);
    expect(await requireRunFolder(at('samples'), true)).toBe(false);
  });

  const validation = {
    data: { folder: 'photos', augment: [{ centerCrop: 16 }], degradation: 'autoencode', batchSize: 2 },
    every: 2,
    metrics: ['psnr', 'gmsd', { mse: {} }, 'huber'],
  };
  const judgements = async (out: string): Promise<[number, Record<string, number>][]> =>
    (await readFile(join(at(out), 'log.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .flatMap(({ step, validation: found }) => (found ? [[step, found]] : []));

  it('is judged by other pictures, and keeps the state that they like best', async () => {
    // No loss is better than the first by as much as this.
    const schedule = { reduceLROnPlateau: { patience: 0, threshold: 1, factor: 0.5 } };
    const path = await config('judged.json', { validation, ema: 0.5, optimizer: { sgd: { lr: 0.25, schedule } } });
    const { status, stdout, stderr } = await runHere(['train', path, '--out', 'judged', '--json'], folder);
    expect([status, stderr]).toEqual([0, expect.anything()]);
    const found = await judgements('judged');
    expect(found.map(([step]) => step)).toEqual([2, 4, 6]);
    const lines = (await readFile(at('judged/log.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).lr)).toEqual([0.25, 0.25, 0.25, 0.25, 0.125, 0.125]);
    for (const [, values] of found) {
      expect(Object.keys(values)).toEqual(['loss', 'psnr', 'gmsd', 'mse', 'huber']);
      // The mean of logarithms is not the logarithm of the mean.
      expect(values.psnr).toBeGreaterThan(10 * Math.log10(1 / (values.mse as number)) - 1e-4);
    }
    const best = found.toSorted(([, a], [, b]) => (a.loss as number) - (b.loss as number))[0];
    expect(JSON.parse(stdout).best).toEqual({ step: best?.[0], loss: best?.[1].loss });
    expect((await readdir(at('judged/best'))).sort()).toEqual([`checkpoint-0000000${best?.[0]}`, 'student.onnx']);
  });

  it('ends where nothing gets better, also when it goes on', async () => {
    const changes = {
      optimizer: { sgd: { lr: 50 } },
      steps: 50,
      validation: { ...validation, metrics: [], patience: 2 },
    };
    const path = await config('patient.json', changes);
    const { stdout } = await runHere(['train', path, '--out', 'patient', '--json'], folder);
    const { steps, best } = JSON.parse(stdout);
    expect(steps).toBe(best.step + 2 * 2);
    expect(steps).toBeLessThan(50);
    const again = await runHere(['train', path, '--out', 'patient', '--json', '--resume'], folder);
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse(stdout));
  });

  it('on targets that were read before has the losses of one that reads them, and refuses those that are drawn', async () => {
    const loss = { perceptual: { teacher: 'vgg.onnx', modulesToHook: ['ReLU'] } };
    const data = { ...BASE.data, augment: [{ centerCrop: 16 }] };
    const run = async (name: string, changes: object) => {
      const path = await config(`${name}.json`, { loss, steps: 3, data: { ...data, ...changes } });
      return runHere(['train', path, '--out', name], folder);
    };
    expect((await run('images', {})).status).toBe(0);
    expect((await run('encoded', { encodeTargets: 'features' })).status).toBe(0);
    expect(await losses('encoded')).toEqual((await losses('images')).map((value) => expect.closeTo(value, 5)));
    expect(await readdir(at('features'))).toHaveLength(3);
    const { status, stderr } = await run('drawn', { encodeTargets: 'drawn-features', augment: BASE.data.augment });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/encodeAll: the target of sample \d is another each time/);
  });

  it('says the mean of its last losses, and the last', async () => {
    const path = await config('mean.json', { steps: 60 });
    const { status, stdout } = await runHere(['train', path, '--out', 'mean', '--json'], folder);
    expect(status).toBe(0);
    const all = await losses('mean');
    const mean = all.slice(-50).reduce((sum, loss) => sum + loss, 0) / 50;
    const said = JSON.parse(stdout);
    expect(said).toEqual({
      out: 'mean',
      steps: 60,
      loss: all.at(-1),
      meanLoss: expect.closeTo(mean, 6),
      meanOverSteps: 50,
    });
    const again = await runHere(['train', path, '--out', 'mean', '--resume'], folder);
    expect(again.stdout).toBe(
      `mean: 60 steps, loss ${mean.toPrecision(6)} (mean of the last 50 steps; last step ${all.at(-1)?.toPrecision(6)})\n`,
    );
  });

  it('that ended before its first checkpoint is begun anew, and says so', async () => {
    const path = await config('exploding.json', { optimizer: { sgd: { lr: 1e30 } } });
    expect((await runHere(['train', path, '--out', 'anew'], folder)).status).toBe(2);
    const { status, stderr } = await runHere(['train', await config('sound.json'), '--out', 'anew'], folder);
    expect(stderr).toContain("'anew' holds a run that ended before its first checkpoint; it is begun anew");
    expect(status).toBe(0);
    expect(await losses('anew')).toHaveLength(6);
  });

  it('that is interrupted saves, ends with 130, and goes on exactly with --resume', async () => {
    const long = await config('long.json', { steps: 150, checkpointEvery: 50 });
    expect((await start(['train', long, '--out', 'uninterrupted'])).code).toBe(0);
    const interrupted = await start(['train', long, '--out', 'stopped'], 'stopped');
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toMatch(/stopped and saved at step \d+; go on with --resume/);
    const seen = ['curves.svg', 'curves.png', 'samples-00000050.png'];
    expect(await readdir(at('stopped'))).toEqual(expect.arrayContaining(seen));
    expect((await start(['train', long, '--out', 'stopped', '--resume'])).code).toBe(0);
    expect(await losses('stopped')).toEqual(await losses('uninterrupted'));
  });

  it('takes a module that builds the objects itself, and a perceptual loss', async () => {
    const index = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
    const data = fileURLToPath(new URL('../../dist/data/index.js', import.meta.url));
    const text = `
      import { GlobalPercConfig, GlobalPercLoss, loadModel, models, nn, optim } from ${JSON.stringify(index)};
      import { CenterCrop, DataLoader, ImageFolder } from ${JSON.stringify(data)};
      export default async ({ seed }: { seed: number }) => ({
        student: new models.UNet(3, 4, 3, { depth: 1 }),
        loss: new nn.WeightedLoss([
          [new GlobalPercLoss(await loadModel('vgg.onnx'), new GlobalPercConfig({ printData: false })), 1],
          [new nn.L1Loss(), 0.5],
        ]),
        optimizer: new optim.SGD({ lr: 0.01, momentum: 0.9 }),
        data: new DataLoader(await ImageFolder.open('photos', { transform: new CenterCrop(16) }), { batchSize: 2, seed }),
        steps: 3,
      });`;
    await writeFile(at('config.ts'), text);
    const { code, stderr } = await start(['train', 'config.ts', '--out', 'module']);
    expect(stderr.replace(/.*broken.*\n/, '')).toBe('');
    expect(code).toBe(0);
    expect(await losses('module')).toHaveLength(3);
  });
});

describe('mistakes end with one line and exit code 2', () => {
  const cases: [string, object | string, RegExp, string[]?][] = [
    ['a missing file', 'absent.json', /cannot read 'absent.json': there is no such file/],
    ['no JSON', 'text.json', /text.json is not JSON/],
    ['an unknown key', { stepz: 1 }, /wrong.json: 'stepz' is not known; did you mean 'steps'\?/],
    ['a missing folder', { data: { ...BASE.data, folder: 'nowhere' } }, /nowhere/],
    ['an empty folder', { data: { ...BASE.data, folder: 'empty' } }, /empty/],
    ['a crop that does not fit', { data: { ...BASE.data, augment: [{ randomCrop: 99 }] } }, /99/],
    ['sizes that the student refuses', { student: { unet: { depth: 6, width: 4 } } }, /multiples of 64/],
    ['a teacher that is missing', { loss: { perceptual: { teacher: 'dino.onnx' } } }, /dino.onnx/],
    [
      'an output that does not fit',
      { student: { unet: { outChannels: 4, width: 4, depth: 1 } } },
      /target has shape \[2,3,16,16\].*: the student makes \[2,4,16,16\] of an input \[2,3,16,16\]/,
    ],
    ['a second run in one folder', {}, /holds a run already; go on with --resume/, ['--out', 'whole']],
    [
      'a measure that is none',
      { validation: { data: { folder: 'photos' }, metrics: ['psrn'] } },
      /validation: metrics\[0\]: 'psrn' is not known/,
    ],
    [
      'two measures of one name',
      { validation: { data: { folder: 'photos' }, metrics: ['psnr', 'l1', { l1: {} }] } },
      /validation: metrics: 'l1' stands there twice/,
    ],
    ['a log of another kind', {}, /--log should be one of tensorboard, got "wandb"/, ['--log', 'wandb']],
    ['nothing to resume', {}, /there is no such folder/, ['--out', 'fresh', '--resume']],
    [
      'a checkpoint of another model',
      { student: { unet: { width: 6, depth: 1 } } },
      /another model.*of another shape/,
      ['--out', 'whole', '--resume'],
    ],
    ['a folder that is a file', {}, /--out 'vgg\.onnx' is a file; name a folder/, ['--out', 'vgg.onnx']],
    ['a folder in a file', {}, /its path leads through a file/, ['--out', 'vgg.onnx/run']],
    ["somebody else's folder", {}, /'foreign' is not empty and holds no run.*log\.jsonl/, ['--out', 'foreign']],
    [
      'a folder among the photographs',
      {},
      /lies in '.*photos', whose pictures are trained on/,
      ['--out', 'photos/run'],
    ],
    [
      'a folder among the photographs that judge it',
      { data: { ...BASE.data, folder: 'others' }, validation: { data: { folder: 'photos', take: 1 } } },
      /lies in '.*photos', whose pictures are what the run is judged by/,
      ['--out', 'photos/run'],
    ],
    [
      'a student that would be overwritten',
      { student: 'own/student.onnx' },
      /own\/student\.onnx'.* was read and would be overwritten/,
      ['--out', 'own', '--resume'],
    ],
    [
      'a schedule that follows a loss that nobody measures',
      { optimizer: { sgd: { schedule: { reduceLROnPlateau: {} } } } },
      /reduceLROnPlateau follows the loss of validation data: give some/,
    ],
    [
      'a teacher among other terms that would be overwritten',
      {
        loss: {
          weighted: {
            terms: [
              ['l1', 1],
              [{ perceptual: { teacher: 'own/student.onnx' } }, 1],
            ],
          },
        },
      },
      /own\/student\.onnx'.* was read and would be overwritten/,
      ['--out', 'own', '--resume'],
    ],
    [
      'a student of two channels',
      { student: { unet: { outChannels: 2, width: 4, depth: 1 } }, loss: { perceptual: { teacher: 'vgg.onnx' } } },
      /the student makes \[2,2,16,16\] of an input \[2,3,16,16\].*it has 2 channels, 3 are needed/,
    ],
    [
      'a number for a configuration',
      'number.ts',
      /number\.ts: what it exports as default should be \{ student, .*got 1/,
    ],
    ['a function that fails', 'failing.ts', /failing\.ts exports a function that failed: no data today/],
    ['a module that cannot be read', 'broken.ts', /broken\.ts cannot be loaded/],
    ['a seed that is none', {}, /--seed/, ['--seed', 'x']],
    ['a loss that explodes', { optimizer: { sgd: { lr: 1e30 } } }, /step \d+: the (loss|gradient)/],
  ];

  it.each(cases)('%s', async (name, changes, message, args = ['--out', `out-${name.replaceAll(' ', '-')}`]) => {
    await writeFile(at('text.json'), 'steps: 3');
    const path = typeof changes === 'string' ? changes : await config('wrong.json', changes);
    const { status, stderr } = await runHere(['train', path, ...args], folder);
    const lines = stderr
      .trim()
      .split('\n')
      .filter((line) => !line.includes('broken.png'));
    expect(lines, stderr).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect(status).toBe(2);
  });
});
