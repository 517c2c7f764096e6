/** `globalperc demo`: the same student trained twice, with L1 and with a perceptual loss. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { crop, DataLoader, type ImageTensor, type Sample } from '../data/index.js';
import {
  Generator,
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  type Objective,
  optim,
  Trainer,
  transforms,
} from '../index.js';
import { formatTable, INTERRUPTED, parseInteger, parseThreads } from './common.js';
import { heldOut, Restorer, SIDE, trainingPairs } from './demo-task.js';
import { gmsd, psnr } from './measures.js';
import { type Curve, writeCurves, writeSamples } from './report.js';
import { requireFolderOf } from './run-folder.js';
import { takeSteps } from './training-run.js';

interface Options {
  readonly out: string;
  readonly steps: string;
  readonly seed: string;
  readonly threads?: string;
  readonly json?: boolean;
}

const TEACHER = fileURLToPath(new URL('../../assets/lpips-alex.onnx', import.meta.url));
const BATCH = 8;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('train one small student twice on photographs, with L1 and with GlobalPercLoss, and show both')
    .option('--out <FOLDER>', 'logs, checkpoints, curves.svg, curves.png, samples.png', 'demo')
    .option('--steps <COUNT>', 'steps of each training', '200')
    .option('--seed <NUMBER>', 'initial weights and order of the data', '0')
    .option('--threads <COUNT>', 'threads of ONNX Runtime; default: the cores available')
    .option('--json', 'print one JSON object at the end')
    .action(run);
}

/** What is known of one student on the photographs it has not seen. */
interface Result {
  readonly name: string;
  readonly outputs: readonly ImageTensor[];
  readonly gmsd: number;
  readonly psnr: number;
}

interface Settings {
  readonly out: string;
  readonly steps: number;
  readonly seed: number;
  readonly threads: number | undefined;
}

async function run(options: Options): Promise<void> {
  const settings = {
    out: options.out,
    steps: parseInteger(options.steps, '--steps', 1),
    seed: parseInteger(options.seed, '--seed', 0),
    threads: parseThreads(options.threads),
  };
  await requireFolderOf(settings.out, ['L1', 'GlobalPercLoss', 'curves.svg', 'curves.png', 'samples.png']);
  const photos = await heldOut(new Generator(settings.seed));
  const targets = photos.map(({ target }) => target as ImageTensor);
  await using perceptual = await perceptualLoss();
  const losses: [string, Objective][] = [
    ['L1', new nn.L1Loss()],
    ['GlobalPercLoss', perceptual],
  ];
  const results = [
    measured(
      'input',
      photos.map(({ input }) => input as ImageTensor),
      targets,
    ),
  ];
  const curves: Curve[] = [];
  for (const [name, loss] of losses) {
    const trained = await train(name, loss, photos, settings);
    if (trained === undefined) {
      process.stderr.write('stopped; the demo starts from the beginning next time\n');
      process.exitCode = INTERRUPTED;
      return;
    }
    results.push(trained.result);
    curves.push(trained.curve);
  }
  await writeCurves(options.out, 'Photographs kept out of training', 'GMSD (lower is more alike)', curves);
  const columns = [...results.map(({ name }) => name), 'target'];
  await writeSamples(options.out, columns, details([...results.map(({ outputs }) => outputs), targets]));
  report(results, options);
}

/** AlexNet's activations after each ReLU, all weighing the same. */
export async function perceptualLoss(): Promise<GlobalPercLoss> {
  const config = new GlobalPercConfig({
    modulesToHook: [nn.ReLU],
    startWeight: 1,
    endWeight: 1,
    transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
    lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
    printData: false,
  });
  return new GlobalPercLoss(await loadModel(TEACHER), config);
}

/** How often a student is measured during its training. */
const MEASUREMENTS = 10;
/** The bars of both trainings stand under each other. */
const LABEL_WIDTH = 'GlobalPercLoss'.length;

/** Trains one student; undefined when it was interrupted. */
async function train(
  name: string,
  loss: Objective,
  photos: readonly Sample[],
  { out, steps, seed, threads }: Settings,
): Promise<{ result: Result; curve: Curve } | undefined> {
  nn.manualSeed(seed);
  await using trainer = await Trainer.create(new Restorer(), loss, optimizerFor(steps), {
    batch: [BATCH, 3, SIDE, SIDE],
    clipGradNorm: 1,
    seed,
    ...(threads !== undefined && { session: { intraOpNumThreads: threads } }),
  });
  const loader = new DataLoader(await trainingPairs(), { batchSize: BATCH, shuffle: true, seed });
  const targets = photos.map(({ target }) => target as ImageTensor);
  const values: Curve['values'][number][] = [];
  const measure = async (): Promise<Result> => {
    const result = measured(name, await outputsOf(trainer, photos), targets);
    values.push({ step: trainer.steps, value: result.gmsd });
    return result;
  };
  const interval = Math.max(1, Math.round(steps / MEASUREMENTS));
  let result = await measure();
  const complete = await takeSteps({
    trainer,
    batches: loader.stream(),
    steps,
    out: join(out, name),
    checkpointEvery: steps,
    label: name.padEnd(LABEL_WIDTH),
    afterStep: async (step) => {
      if (step % interval === 0 || step === steps) result = await measure();
    },
  });
  if (!complete) return undefined;
  return { result, curve: { label: name, values } };
}

/** AdamW with a short warm-up and a cosine. */
function optimizerFor(steps: number): optim.Optimizer {
  const { CosineAnnealingLR, LinearLR, SequentialLR } = optim.lrScheduler;
  const warmUp = Math.max(1, Math.round(steps / 10));
  const schedule = new SequentialLR(
    [
      new LinearLR({ startFactor: 0.04, totalIters: warmUp }),
      new CosineAnnealingLR({ tMax: Math.max(1, steps - warmUp) }),
    ],
    [warmUp],
  );
  return new optim.AdamW({ lr: 2e-3, weightDecay: 1e-4, schedule });
}

async function outputsOf(trainer: Trainer, photos: readonly Sample[]): Promise<ImageTensor[]> {
  const outputs: ImageTensor[] = [];
  for (const { input } of photos) {
    const { dims, data } = await trainer.predict({ dims: [1, ...input.dims], data: input.data });
    outputs.push({ dims: dims.slice(1), data });
  }
  return outputs;
}

function measured(name: string, outputs: readonly ImageTensor[], targets: readonly ImageTensor[]): Result {
  const mean = (measure: (a: ImageTensor, b: ImageTensor) => number): number =>
    outputs.reduce((sum, output, i) => sum + measure(output, targets[i] as ImageTensor), 0) / outputs.length;
  return { name, outputs, gmsd: mean(gmsd), psnr: mean(psnr) };
}

/** Places in the photographs that are shown enlarged: index, top, left. */
const DETAILS = [
  [0, 190, 150],
  [0, 110, 330],
  [1, 110, 60],
  [1, 180, 260],
] as const;
const DETAIL_SIDE = 96;

const details = (columns: readonly (readonly ImageTensor[])[]): ImageTensor[][] =>
  DETAILS.map(([photo, top, left]) =>
    columns.map((images) => crop(images[photo] as ImageTensor, { top, left, height: DETAIL_SIDE, width: DETAIL_SIDE })),
  );

function report(results: readonly Result[], { out, json }: Options): void {
  if (json) {
    const numbers = results.map(({ name, gmsd: deviation, psnr: decibels }) => ({
      name,
      gmsd: deviation,
      psnr: decibels,
    }));
    process.stdout.write(`${JSON.stringify({ out, results: numbers })}\n`);
    return;
  }
  const rows = results.map(({ name, gmsd: deviation, psnr: decibels }) => [
    name,
    deviation.toFixed(4),
    decibels.toFixed(2),
  ]);
  process.stdout.write(
    `${formatTable(['photographs kept out of training', 'GMSD', 'PSNR'], rows)}\n` +
      `GMSD: lower is more alike; no student was trained on it.\nSee ${join(out, 'samples.png')} and ${join(out, 'curves.png')}\n`,
  );
}
