/** The configuration of `globalperc train`: JSON by names, or a module that builds the objects itself. */
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  CenterCrop,
  Compose,
  DataLoader,
  degradationFromJSON,
  ImageFolder,
  type PairedTransform,
  RandomCrop,
  RandomHorizontalFlip,
  RandomRotate90,
} from '../data/index.js';
import {
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  loadModel,
  models,
  nn,
  type Objective,
  optim,
  type TrainerOptions,
} from '../index.js';
import { readJson } from './common.js';
import { Section } from './section.js';
import { requireTrainConfig } from './train-module.js';

/** Everything a run needs; what a `.ts` or `.js` configuration exports as its default. */
export interface TrainConfig {
  readonly student: nn.AnyModule;
  readonly loss: Objective;
  readonly optimizer: optim.Optimizer;
  readonly data: DataLoader;
  readonly steps: number;
  /** Steps between two checkpoints. Default 100. */
  readonly checkpointEvery?: number;
  readonly trainer?: Omit<TrainerOptions, 'batch' | 'seed'>;
}

/** What the command line says about a run. */
export interface RunOptions {
  readonly seed: number;
  readonly threads: number | undefined;
}

/** Reads `.json`, `.ts`, `.js` or `.mjs`. @throws GlobalPercError on a missing file or a bad value, naming it. */
export async function readTrainConfig(path: string, options: RunOptions): Promise<TrainConfig> {
  nn.manualSeed(options.seed);
  if (/\.[cm]?[jt]s$/.test(path)) return fromModule(path, options);
  return fromJSON(await readJson(path), path, options);
}

/** What a module exports. */
interface Exports {
  readonly default?: unknown;
}

async function fromModule(path: string, options: RunOptions): Promise<TrainConfig> {
  const { createJiti } = await import('jiti');
  const url = pathToFileURL(resolve(path)).href;
  const failed = (what: string, error: unknown): never => {
    if (error instanceof GlobalPercError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new GlobalPercError(`${path} ${what}: ${message}`, { code: 'invalid-file', cause: error });
  };
  // Its own way of finding the default export fails on null.
  const { default: found } = await createJiti(import.meta.url, { interopDefault: false })
    .import<Exports>(url)
    .catch((error: unknown) => failed('cannot be loaded', error));
  // A module that was compiled to CommonJS.
  const isCompiled = typeof found === 'object' && found !== null && '__esModule' in found;
  const exported = isCompiled ? (found as Exports).default : found;
  // A function gets the command line's seed.
  const make = async (): Promise<unknown> => (typeof exported === 'function' ? await exported(options) : exported);
  return requireTrainConfig(
    path,
    await make().catch((error: unknown) => failed('exports a function that failed', error)),
  );
}

/**
 * `{ "student": { "unet": { "width": 16 } }, "loss": { "perceptual": { "teacher": "dinov2.onnx", … } },
 * "optimizer": { "adamW": { "lr": 1e-3 } }, "data": { "folder": "photos", "augment": [{ "randomCrop": 64 }],
 * "degradation": { "superResolution": { "scale": 4 } }, "batchSize": 8 }, "steps": 1000 }`; paths are relative to the file.
 */
async function fromJSON(json: unknown, path: string, { seed, threads }: RunOptions): Promise<TrainConfig> {
  const section = new Section(json, path);
  const beside = (file: string): string => resolve(dirname(path), file);
  const trainer: Record<string, unknown> = threads === undefined ? {} : { session: { intraOpNumThreads: threads } };
  for (const key of ['clipGradNorm', 'clipGradValue', 'accumulate', 'ema']) {
    const value = section.number(key);
    if (value !== undefined) trainer[key] = value;
  }
  const steps = section.count('steps');
  const checkpointEvery = section.count('checkpointEvery', 100);
  const optimizer = optimizerFrom(section.section('optimizer'));
  const student = await studentFrom(section.required('student'), path, beside);
  const loss = await lossFrom(section.required('loss'), `${path}: loss`, beside);
  const data = await loaderFrom(section.section('data'), beside, seed);
  section.finish();
  return { student, loss, optimizer, data, steps, checkpointEvery, trainer };
}

type Beside = (file: string) => string;

async function studentFrom(json: unknown, path: string, beside: Beside): Promise<nn.AnyModule> {
  if (typeof json === 'string') return loadModel(beside(json), { trainable: true });
  const [make, options] = new Section(json, `${path}: student`).choiceOf({ unet: unetFrom });
  return make(new Section(options, `${path}: student: unet`));
}

function unetFrom(options: Section): nn.Module {
  const [inChannels, width, outChannels] = [
    options.count('inChannels', 3),
    options.count('width', 32),
    options.count('outChannels', 3),
  ];
  const unet = new models.UNet(inChannels, width, outChannels, { depth: options.count('depth', 3) });
  options.finish();
  return unet;
}

const PLAIN_LOSSES = { l1: nn.L1Loss, mse: nn.MSELoss, smoothL1: nn.SmoothL1Loss, huber: nn.HuberLoss } as const;

async function lossFrom(json: unknown, where: string, beside: Beside): Promise<Objective> {
  const perceptual = async (options: Record<string, unknown>): Promise<Objective> => {
    const section = new Section(options, where);
    const teacher = section.string('teacher');
    const { teacher: _, ...config } = options;
    return new GlobalPercLoss(
      await loadModel(beside(teacher)),
      GlobalPercConfig.fromJSON(config, { printData: false }),
    );
  };
  const weighted = async ({ terms }: Record<string, unknown>): Promise<Objective> => {
    if (!Array.isArray(terms))
      throw new GlobalPercError(`${where}: weighted should be { "terms": [[loss, weight], …] }`);
    const pairs = terms.map(async (term: unknown) => {
      if (!Array.isArray(term) || typeof term[1] !== 'number') {
        throw new GlobalPercError(`${where}: a term should be [loss, weight], got ${JSON.stringify(term)}`);
      }
      return [await lossFrom(term[0], where, beside), term[1]] as const;
    });
    return new nn.WeightedLoss(await Promise.all(pairs));
  };
  const plain = Object.fromEntries(
    Object.entries(PLAIN_LOSSES).map(([name, Loss]) => [
      name,
      async (options: object): Promise<Objective> => new Loss(options),
    ]),
  );
  const [make, options] = new Section(json, where).choiceOf({ ...plain, perceptual, weighted });
  return make(options);
}

const OPTIMIZERS = { sgd: optim.SGD, adam: optim.Adam, adamW: optim.AdamW } as const;

function optimizerFrom(section: Section): optim.Optimizer {
  const [Optimizer, { schedule, groups, ...options }] =
    section.choiceOf<new (options: object) => optim.Optimizer>(OPTIMIZERS);
  return new Optimizer({
    ...options,
    ...(schedule !== undefined && { schedule: scheduleFrom(schedule) }),
    ...(groups !== undefined && { groups: (groups as { parameters: string }[]).map(groupFrom) }),
  });
}

const groupFrom = ({ parameters, ...options }: { readonly parameters: string }): object => ({
  parameters: new RegExp(parameters),
  ...options,
});

const { CosineAnnealingLR, LinearLR, SequentialLR, StepLR } = optim.lrScheduler;

function scheduleFrom(json: unknown): optim.lrScheduler.LRScheduler {
  const [make, options] = new Section(json, 'schedule').choiceOf({
    cosineAnnealing: (o: never) => new CosineAnnealingLR(o),
    linear: (o: never) => new LinearLR(o),
    step: (o: never) => new StepLR(o),
    sequential: ({ schedulers, milestones }: { schedulers: unknown[]; milestones: number[] }) =>
      new SequentialLR(schedulers.map(scheduleFrom), milestones),
  } as Record<string, (options: never) => optim.lrScheduler.LRScheduler>);
  return make(options as never);
}

const AUGMENTATIONS: Readonly<Record<string, (argument: never) => PairedTransform>> = {
  randomCrop: (size: number) => new RandomCrop(size),
  centerCrop: (size: number) => new CenterCrop(size),
  randomHorizontalFlip: (p: number) => new RandomHorizontalFlip(p),
  randomRotate90: () => new RandomRotate90(),
};

async function loaderFrom(section: Section, beside: Beside, seed: number): Promise<DataLoader> {
  const folder = beside(section.string('folder'));
  const batchSize = section.count('batchSize', 8);
  const augmentation = ((section.take('augment') ?? []) as unknown[]).map((json) => {
    const [make, argument] = new Section(typeof json === 'string' ? { [json]: undefined } : json, 'augment').choice(
      AUGMENTATIONS,
    );
    return make(argument as never);
  });
  const degradation = section.has('degradation') ? degradationFromJSON(section.take('degradation')) : undefined;
  const size = section.take('size') as number | undefined;
  section.finish();
  const dataset = await ImageFolder.open(folder, {
    ...(size !== undefined && { size }),
    ...(augmentation.length > 0 && { transform: new Compose(augmentation) }),
    ...(degradation && { degradation }),
  });
  return new DataLoader(dataset, { batchSize, shuffle: true, seed });
}
