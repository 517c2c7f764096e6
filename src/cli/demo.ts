/** `globalperc demo`: the same student trained twice, with L1 and with a perceptual loss. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { DataLoader, type ImageTensor, type Sample } from '../data/index.js';
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
import { INTERRUPTED, parseInteger, parseThreads } from './common.js';
import { describeResults, errorsOf, type Measured, meanOf, measured, type Shown, writeDetails } from './demo-report.js';
import { heldOut, Restorer, SIDE, trainingPairs } from './demo-task.js';
import { gmsd } from './measures.js';
import { type Curve, writeCurves } from './report.js';
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
  const losses: { name: string; loss: Objective; sawAlexNet: boolean }[] = [
    { name: 'L1', loss: new nn.L1Loss(), sawAlexNet: false },
    { name: 'GlobalPercLoss', loss: perceptual, sawAlexNet: true },
  ];
  const inputs = photos.map(({ input }) => input as ImageTensor);
  const shown: Shown[] = [{ name: 'input', outputs: inputs, sawAlexNet: false }];
  const errors = new Map<string, ImageTensor[]>();
  const curves: Curve[] = [];
  for (const { name, loss, sawAlexNet } of losses) {
    const trained = await train(name, loss, photos, settings);
    if (trained === undefined) {
      process.stderr.write('stopped; the demo starts from the beginning next time\n');
      process.exitCode = INTERRUPTED;
      return;
    }
    shown.push({ name, outputs: trained.outputs, sawAlexNet });
    errors.set(name, await errorsOf(perceptual, trained.outputs, targets));
    curves.push(trained.curve);
  }
  await writeCurves(options.out, 'Photographs kept out of training', 'GMSD (lower is more alike)', curves);
  await writeDetails(options.out, shown, targets, errors);
  const results = await measured(shown, targets);
  process.stdout.write(
    options.json ? `${JSON.stringify({ out: options.out, results })}\n` : told(results, options.out),
  );
}

const told = (results: readonly Measured[], out: string): string =>
  `${describeResults(results)}\nSee ${join(out, 'samples.png')} and ${join(out, 'curves.png')}\n`;

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
): Promise<{ outputs: ImageTensor[]; curve: Curve } | undefined> {
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
  const measure = async (): Promise<ImageTensor[]> => {
    const outputs = await outputsOf(trainer, photos);
    values.push({ step: trainer.steps, value: await meanOf(gmsd, outputs, targets) });
    return outputs;
  };
  const interval = Math.max(1, Math.round(steps / MEASUREMENTS));
  let outputs = await measure();
  const complete = await takeSteps({
    trainer,
    batches: loader.stream(),
    steps,
    out: join(out, name),
    checkpointEvery: steps,
    label: name.padEnd(LABEL_WIDTH),
    afterStep: async (step) => {
      if (step % interval === 0 || step === steps) outputs = await measure();
    },
  });
  if (!complete) return undefined;
  return { outputs, curve: { label: name, values } };
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
