/** A training run from JSON. Everything is checked before the first model is read. */
import { dirname, resolve } from 'node:path';
import {
  type Alpha,
  augmentationFromJSON,
  DataLoader,
  type Dataset,
  degradationFromJSON,
  ImageFolder,
  randomSplit,
  repeat,
  type Size,
  take,
} from '../data/index.js';
import { GlobalPercError, type Loss, loadModel, models, type nn, optim } from '../index.js';
import {
  anything,
  byteCount,
  type Check,
  type Checks,
  checkOptions,
  choice,
  count,
  listOf,
  made,
  number,
  required,
  string,
} from '../options/index.js';
import { type Beside, type LossMaker, lossFrom } from './loss-json.js';
import type { AllSteps } from './progress.js';
import type { RunOptions, TrainConfig } from './train-module.js';
import { type Metric, PICTURE_METRICS, type Validation } from './validation.js';

/** Makes what a part of the configuration stands for. */
type Maker<T> = () => T | Promise<T>;

/** The numbers that the trainer takes itself, which checks their ranges. */
export interface Limits {
  readonly clipGradNorm?: number;
  readonly clipGradValue?: number;
  readonly accumulate?: number;
  readonly ema?: number;
  readonly memory?: number;
}

export const LIMITS: Checks<Limits> = {
  clipGradNorm: number(),
  clipGradValue: number(),
  accumulate: number(),
  ema: number(),
  memory: byteCount,
};

interface Run extends Limits {
  readonly student: Maker<nn.AnyModule>;
  readonly loss: LossMaker;
  readonly optimizer: optim.Optimizer;
  readonly data: LoaderFor;
  readonly steps: number;
  readonly checkpointEvery?: number;
  readonly validation?: Judging;
}

/**
 * `{ "student": { "unet": { "width": 16 } }, "loss": { "perceptual": { "teacher": "dinov2.onnx", … } },
 * "optimizer": { "adamW": { "lr": 1e-3 } }, "data": { "folder": "photos", "augment": [{ "randomCrop": 64 }],
 * "degradation": { "superResolution": { "scale": 4 } }, "batchSize": 8 }, "steps": 1000 }`; paths are relative to the file.
 * Losses of the package by name: `{ "lpips": {} }`, `{ "lpips": { "net": "vgg", "weights": "vgg16-397923af.pth" } }`,
 * `{ "dists": { "weights": "…" } }`; `weights` may be a URL.
 * @throws GlobalPercError naming the file and the key, on an unknown key with the nearest one.
 */
export async function fromJSON(
  json: unknown,
  path: string,
  { seed, threads }: RunOptions,
  step: AllSteps = {},
): Promise<TrainConfig> {
  const beside: Beside = (file) => resolve(dirname(path), file);
  const checks: Checks<Run> = {
    ...LIMITS,
    student: required(studentFrom(beside)),
    loss: required(lossFrom(beside, step)),
    optimizer: required(optim.fromJSON),
    data: required(made(DATA, loaderFrom(beside, seed, step))),
    steps: required(count),
    checkpointEvery: count,
    validation: validationFrom(beside, seed, step),
  };
  const {
    student,
    loss,
    optimizer,
    data,
    steps,
    checkpointEvery = 100,
    validation,
    ...limits
  } = checkOptions(json, checks, path);
  const session = threads === undefined ? {} : { session: { intraOpNumThreads: threads } };
  const module = await student();
  const trained = await loss(module);
  const { heldOut, ...run } = await data(trained, validation?.split);
  return {
    student: module,
    ...run,
    optimizer,
    steps,
    checkpointEvery,
    ...(validation && { validation: await validation.of(trained, module, heldOut) }),
    trainer: { ...session, ...limits },
  };
}

interface UNetJSON {
  readonly inChannels?: number;
  readonly width?: number;
  readonly outChannels?: number;
  readonly depth?: number;
}

const UNET: Checks<UNetJSON> = { inChannels: count, width: count, outChannels: count, depth: count };

const STUDENTS: Readonly<Record<string, Check<Maker<nn.AnyModule>>>> = {
  unet: made(
    UNET,
    ({ inChannels, width, outChannels, ...options }) =>
      () =>
        new models.UNet(inChannels, width, outChannels, options),
  ),
};

/** A file, or a network by name. */
const studentFrom =
  (beside: Beside): Check<Maker<nn.AnyModule>> =>
  (value, where) =>
    typeof value === 'string' ? () => loadModel(beside(value), { trainable: true }) : choice(STUDENTS)(value, where);

interface Data {
  readonly folder: string;
  readonly batchSize?: number;
  readonly augment?: ReturnType<typeof augmentationFromJSON>;
  readonly degradation?: ReturnType<typeof degradationFromJSON>;
  readonly size?: Size;
  readonly alpha?: Alpha;
  /** Of Parquet files. */
  readonly column?: string;
  /** Samples that are used, from the first on. */
  readonly take?: number;
  /** Times that an epoch goes through them. */
  readonly repeat?: number;
  /** Folder where what the loss reads of each target is kept. */
  readonly encodeTargets?: string;
}

/** Batches, the loss that is trained on them, and batches of the share that is kept out. */
type LoaderFor = (
  loss: Loss,
  split: number | undefined,
) => Promise<Pick<TrainConfig, 'loss' | 'data'> & { readonly heldOut?: DataLoader }>;

const DATA: Checks<Data> = {
  folder: required(string),
  batchSize: count,
  augment: augmentationFromJSON,
  degradation: degradationFromJSON,
  size: anything,
  alpha: anything,
  column: string,
  take: count,
  repeat: count,
  encodeTargets: string,
};

/** Pictures in a batch where nothing is said. */
const BATCH = 8;

async function imagesOf(
  beside: Beside,
  { folder, augment, take: samples, ...options }: Omit<Data, 'batchSize' | 'encodeTargets' | 'repeat'>,
  step: AllSteps,
): Promise<Dataset> {
  const images = await ImageFolder.open(beside(folder), {
    ...options,
    ...step,
    ...(augment && { transform: augment }),
  });
  return samples === undefined ? images : take(images, samples);
}

type MetricMaker = (student: nn.AnyModule) => Metric | Promise<Metric>;

/** What a run is judged by, once there is something to judge. */
interface Judging {
  /** Share of the pictures in `data` that is kept out of training and judged by. */
  readonly split: number | undefined;
  readonly of: (loss: Loss, student: nn.AnyModule, heldOut: DataLoader | undefined) => Promise<Validation>;
}

interface ValidationJSON extends Pick<Validation, 'every' | 'patience'> {
  readonly data?: Data;
  readonly split?: number;
  readonly metrics?: readonly (readonly [string, MetricMaker])[];
}

/** `{ "data": { "folder": "held-out" }, "every": 500, "metrics": ["psnr", { "lpips": {} }], "patience": 5 }`, or `"split": 0.1` in place of `data` */
function validationFrom(beside: Beside, seed: number, step: AllSteps): Check<Judging> {
  const anyLoss = lossFrom(beside, step);
  const loaderOf = async ({ batchSize = BATCH, ...data }: Data): Promise<DataLoader> =>
    new DataLoader(await imagesOf(beside, data, step), { batchSize, seed });
  const metric: Check<readonly [string, MetricMaker]> = (value, where) => {
    const known = typeof value === 'string' ? PICTURE_METRICS[value] : undefined;
    if (known) return [value as string, () => known];
    const make = anyLoss(value, where);
    return [typeof value === 'string' ? value : (Object.keys(Object(value))[0] as string), make];
  };
  const { encodeTargets: _, repeat: __, ...data } = DATA;
  const checks: Checks<ValidationJSON> = {
    data: (value, where) => checkOptions<Data>(value, data as Checks<Data>, where),
    split: number({ above: 0, below: 1 }),
    metrics: (value, where) => requireApart(listOf(metric)(value, where), where),
    every: count,
    patience: count,
  };
  return (value, where) => {
    const { data: own, split, metrics = [], ...rest } = checkOptions(value, checks, where);
    if ((own === undefined) === (split === undefined))
      throw new GlobalPercError(`${where}: should have either data or split`, { code: 'invalid-option' });
    return {
      split,
      of: async (loss, student, heldOut) => {
        const judges = await Promise.all(metrics.map(async ([name, make]) => [name, await make(student)] as const));
        return {
          ...rest,
          data: heldOut ?? (await loaderOf(own as Data)),
          metrics: { loss, ...Object.fromEntries(judges) },
        };
      },
    };
  };
}

/** @throws GlobalPercError for two metrics of one name: the log could not tell them apart. */
function requireApart<T extends readonly (readonly [string, unknown])[]>(metrics: T, where: string): T {
  const names = metrics.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return metrics;
  throw new GlobalPercError(`${where}: '${twice}' stands there twice; name each metric once`, {
    code: 'invalid-option',
  });
}

const loaderFrom =
  (beside: Beside, seed: number, step: AllSteps) =>
  ({ batchSize = BATCH, encodeTargets, repeat: times, ...data }: Data): LoaderFor =>
  async (loss, split) => {
    const images = await imagesOf(beside, data, step);
    const [own, kept] = split === undefined ? [images] : randomSplit(images, [1 - split, split]);
    const heldOut = kept && { heldOut: new DataLoader(kept, { batchSize, seed }) };
    const dataset = times === undefined ? (own as Dataset) : repeat(own as Dataset, times);
    const loaderOf = (samples: Dataset) => new DataLoader(samples, { batchSize, shuffle: true, seed });
    if (encodeTargets === undefined) return { loss, data: loaderOf(dataset), ...heldOut };
    const encoded = await loss.encodeAll(dataset, beside(encodeTargets), step);
    return { loss: encoded.loss, data: loaderOf(encoded), ...heldOut };
  };
