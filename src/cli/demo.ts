/** `globalperc demo`: the same student trained twice, with L1 alone and with a perceptual loss added. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { DataLoader, type ImageTensor, type Sample } from '../data/index.js';
import { Generator, GlobalPercLoss, loadModel, nn, type Objective, Trainer } from '../index.js';
import { INTERRUPTED, parseInteger, parseThreads } from './common.js';
import { describeResults, errorsOf, type Measured, meanOf, measured, type Shown, writeDetails } from './demo-report.js';
import { optimizerFor, perceptualConfig, Restorer, SIDE, withL1 } from './demo-student.js';
import { heldOut, trainingPairs } from './demo-task.js';
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
    .description(
      'train one small student twice on photographs, with L1 alone and with GlobalPercLoss added, and show both',
    )
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
  const inputs = photos.map(({ input }) => input as ImageTensor);
  const targets = photos.map(({ target }) => target as ImageTensor);
  await using perceptual = await perceptualLoss();
  const shown: Shown[] = [{ name: 'input', outputs: inputs, sawAlexNet: false }];
  const curves: Curve[] = [];
  for (const student of studentsWith(perceptual)) {
    const trained = await train(student, photos, settings);
    if (trained === undefined) {
      process.stderr.write('stopped; the demo starts from the beginning next time\n');
      process.exitCode = INTERRUPTED;
      return;
    }
    const { outputs, curve } = trained;
    const errors = await errorsOf(perceptual, outputs, targets);
    shown.push({ name: student.name, outputs, errors, sawAlexNet: student.sawAlexNet });
    curves.push(curve);
  }
  await writeCurves(options.out, 'Photographs kept out of training', 'GMSD (lower is more alike)', curves);
  await writeDetails(options.out, shown, targets);
  report(await measured(shown, targets), options);
}

function report(results: readonly Measured[], { out, json }: Options): void {
  process.stdout.write(
    json
      ? `${JSON.stringify({ out, results })}\n`
      : `${describeResults(results)}\nSee ${join(out, 'samples.png')} and ${join(out, 'curves.png')}\n`,
  );
}

interface Student extends Pick<Shown, 'name' | 'sawAlexNet'> {
  /** Of its logs and checkpoints. */
  readonly folder: string;
  readonly loss: Objective;
}

/** The same student without and with the perceptual loss. */
const studentsWith = (perceptual: GlobalPercLoss): Student[] => [
  { name: 'L1', folder: 'L1', loss: new nn.L1Loss(), sawAlexNet: false },
  {
    name: 'L1 + GlobalPercLoss',
    folder: 'GlobalPercLoss',
    loss: withL1(perceptual),
    sawAlexNet: true,
  },
];

export const perceptualLoss = async (): Promise<GlobalPercLoss> =>
  new GlobalPercLoss(await loadModel(TEACHER), perceptualConfig());

/** How often a student is measured during its training. */
const MEASUREMENTS = 10;
/** The bars of both trainings stand under each other. */
const LABEL_WIDTH = 'L1 + GlobalPercLoss'.length;

/** Trains one student; undefined when it was interrupted. */
async function train(
  { name, folder, loss }: Student,
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
    out: join(out, folder),
    checkpointEvery: steps,
    label: name.padEnd(LABEL_WIDTH),
    afterStep: async (step) => {
      if (step % interval === 0 || step === steps) outputs = await measure();
    },
  });
  if (!complete) return undefined;
  return { outputs, curve: { label: name, values } };
}

async function outputsOf(trainer: Trainer, photos: readonly Sample[]): Promise<ImageTensor[]> {
  const outputs: ImageTensor[] = [];
  for (const { input } of photos) {
    const { dims, data } = await trainer.predict({ dims: [1, ...input.dims], data: input.data });
    outputs.push({ dims: dims.slice(1), data });
  }
  return outputs;
}
