/** The configuration of `globalperc finetune`: JSON, or a module that exports the same with objects in it. Everything is checked before anything is read. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { augmentationFromJSON, type Size } from '../data/index.js';
import {
  type AutoencoderKL,
  type AutoencoderTiny,
  decoded,
  LatentDecoder,
  loadAutoencoder,
  NoiseLoss,
  OnX0,
} from '../diffusion/index.js';
import { GlobalPercConfig, GlobalPercLoss, loadModel, nn, type Objective, optim, toOnnx } from '../index.js';
import {
  anything,
  type Check,
  type Checks,
  checkOptions,
  choice,
  count,
  integer,
  listOf,
  made,
  number,
  positive,
  recordOf,
  refused,
  required,
  string,
} from '../options/index.js';
import { readJson } from './common.js';
import { type Beside, lossFrom } from './loss-json.js';
import type { AllSteps } from './progress.js';
import { LIMITS, type Limits } from './train-json.js';
import { exportedBy, isObjective, type RunOptions } from './train-module.js';

/** What a term is made with. */
export interface TermMeans {
  /** Of the pipeline. */
  vae(): Promise<AutoencoderKL | AutoencoderTiny>;
  /** What is trained. */
  readonly student: nn.AnyModule;
  /** Of the latents. */
  readonly shape: readonly number[];
  /** Weight of the pictures of a class, where there are any. */
  readonly priorWeight: number | undefined;
}

/** Makes a term. */
export type MakeTerm = (means: TermMeans) => Objective | Promise<Objective>;

/** Pictures of a folder, with captions. */
export interface Pictures {
  readonly folder: string;
  /** Of those without a caption of their own. */
  readonly caption?: string;
}

/** Pictures of the class that the subject is one of, which a model is to keep. */
export interface Prior extends Pictures {
  readonly weight?: number;
}

/** A transform, and how it is told. */
export interface Augment {
  readonly transform: ReturnType<typeof augmentationFromJSON>;
  readonly json: unknown;
}

/** What is trained on. */
export interface PicturesJSON extends Pictures {
  readonly size?: Size;
  readonly augment?: Augment;
  readonly variants?: number;
  readonly captionDropout?: number;
  readonly batchSize?: number;
  readonly prior?: Prior;
}

/** Pictures that are drawn at every checkpoint. */
export interface Prompts {
  /** Default: the first caption. */
  readonly prompts?: readonly string[];
  readonly negative?: string;
  readonly steps?: number;
  readonly guidance?: number;
  readonly seed?: number;
}

/** What trains: adapters, or the projections of attention themselves. */
export type Trained = (nn.LoraOptions & { readonly kind: 'lora' }) | { readonly kind: 'attention' };

/** Terms of the loss with their weights. */
type Terms = readonly (readonly [MakeTerm, number])[];

interface Given extends Limits {
  readonly model: string;
  readonly train?: Trained;
  readonly terms?: Terms;
  readonly data: PicturesJSON;
  readonly optimizer: optim.Optimizer;
  readonly steps: number;
  readonly checkpointEvery?: number;
  readonly noiseOffset?: number;
  readonly validation?: Prompts;
}

/** Everything a run of `globalperc finetune` needs. */
export type FinetuneConfig = Given & Required<Pick<Given, 'train' | 'terms' | 'checkpointEvery'>>;

/** Projections of the attention of a U-Net. */
export const ATTENTION = /attn[12]\.to_(q|k|v|out\.0)(\.|$)/;

const pattern: Check<RegExp> = (value, where) => {
  if (value instanceof RegExp) return value;
  try {
    return new RegExp(string(value, where));
  } catch {
    throw refused(where, 'a regular expression', value);
  }
};

interface LoraJSON {
  readonly rank?: number;
  readonly alpha?: number;
  readonly targetModules?: RegExp;
}

const LORA: Checks<LoraJSON> = { rank: count, alpha: positive, targetModules: pattern };

const trained = choice<Trained>({
  lora: made(LORA, ({ rank = 8, targetModules = ATTENTION, ...rest }) => ({
    kind: 'lora' as const,
    rank,
    targetModules,
    ...rest,
  })),
  attention: made({}, () => ({ kind: 'attention' as const })),
});

interface LimitJSON {
  readonly maxTimestep?: number;
}

const LIMIT: Checks<LimitJSON> = { maxTimestep: count };

interface X0JSON extends LimitJSON {
  readonly loss: (student: nn.AnyModule) => Objective | Promise<Objective>;
}

interface DecodedJSON extends X0JSON {
  readonly decoder?: string;
}

/** Terms of x̂₀, by what it is compared in. */
function termsFrom(beside: Beside, step: AllSteps): Check<Terms> {
  const loss: Check<X0JSON['loss']> = (value, where) =>
    isObjective(value) ? () => value : lossFrom(beside, step)(value, where);
  const limit = ({ maxTimestep }: LimitJSON): LimitJSON => (maxTimestep === undefined ? {} : { maxTimestep });
  const x0: Checks<X0JSON> = { ...LIMIT, loss: required(loss) };
  const terms: Readonly<Record<string, Check<MakeTerm>>> = {
    noise: made<{ readonly snrGamma?: number }, MakeTerm>(
      { snrGamma: positive },
      (options) =>
        ({ priorWeight }) =>
          new NoiseLoss({ ...options, ...(priorWeight !== undefined && { priorWeight }) }),
    ),
    x0: made<X0JSON, MakeTerm>(
      x0,
      ({ loss, ...rest }) =>
        async ({ student }) =>
          new OnX0(await loss(student), limit(rest)),
    ),
    decoded: made<DecodedJSON, MakeTerm>(
      { ...x0, decoder: string },
      ({ loss, decoder, ...rest }) =>
        async ({ vae, student }) => {
          const autoencoder = decoder === undefined ? await vae() : await loadAutoencoder(beside(decoder));
          const map = decoded(autoencoder);
          return new OnX0(new nn.MappedLoss(await loss(student), map, { target: map }), limit(rest));
        },
    ),
    decoderFeatures: (value = {}, where) => {
      const { maxTimestep, ...rest } = recordOf(anything, 'an object of options')(value, where);
      const most = limit(checkOptions({ maxTimestep }, LIMIT, where));
      const hooks = 'modulesToHook' in rest ? {} : { modulesToHook: LatentDecoder.FEATURES };
      const config = GlobalPercConfig.fromJSON(rest, { printData: false, ...hooks }, where);
      return async ({ vae, shape }) => {
        const teacher = await loadModel(await toOnnx(new LatentDecoder(await vae()), { input: [...shape] }));
        return new OnX0(new GlobalPercLoss(teacher, config), most);
      };
    },
  };
  const term: Check<MakeTerm> = (value, where) => (isObjective(value) ? () => value : choice(terms)(value, where));
  return listOf((value, where) => {
    const [made, weight] = listOf(anything, 2)(value, where);
    return [term(made, `${where}[0]`), number()(weight, `${where}[1]`)] as const;
  });
}

/** A folder beside the configuration, or a name of the hub where there is none. */
const pipelineAt = (name: string, beside: Beside): string => (existsSync(beside(name)) ? beside(name) : name);

const PICTURES: Checks<Pictures> = { folder: required(string), caption: string };
const PRIOR: Checks<Prior> = { ...PICTURES, weight: positive };
const PROMPTS: Checks<Prompts> = {
  prompts: listOf(string),
  negative: string,
  steps: count,
  guidance: number(),
  seed: integer(0),
};

/** Pictures of folders that are named from where the configuration is. */
function dataFrom(beside: Beside): Checks<PicturesJSON> {
  const placed = <T extends Pictures>(pictures: T): T => ({ ...pictures, folder: beside(pictures.folder) });
  return {
    folder: required((value, where) => beside(string(value, where))),
    caption: string,
    size: anything,
    augment: (json, where) => ({ transform: augmentationFromJSON(json, where), json }),
    variants: count,
    captionDropout: number({ least: 0, most: 1 }),
    batchSize: count,
    prior: (value, where) => placed(checkOptions(value, PRIOR, where)),
  };
}

/**
 * Reads `.json`, `.ts`, `.js` or `.mjs`; paths are relative to the file.
 * @throws GlobalPercError on a missing file or a bad value, naming it.
 */
export async function readFinetuneConfig(path: string, options: RunOptions, step: AllSteps): Promise<FinetuneConfig> {
  const beside: Beside = (file) => resolve(dirname(path), file);
  const data = dataFrom(beside);
  const checks: Checks<Given> = {
    ...LIMITS,
    model: required((value, where) => pipelineAt(string(value, where), beside)),
    train: trained,
    terms: termsFrom(beside, step),
    data: required((value, where) => checkOptions(value, data, where)),
    optimizer: required((value, where) => (value instanceof optim.Optimizer ? value : optim.fromJSON(value, where))),
    steps: required(count),
    checkpointEvery: count,
    noiseOffset: number({ least: 0 }),
    validation: (value, where) => checkOptions(value, PROMPTS, where),
  };
  nn.manualSeed(options.seed);
  const given = /\.[cm]?[jt]s$/.test(path) ? await exportedBy(path, options) : await readJson(path);
  const {
    train = trained('lora', path),
    terms = PLAIN,
    checkpointEvery = 100,
    ...rest
  } = checkOptions(given, checks, path);
  return { ...rest, train, terms, checkpointEvery };
}

const PLAIN: Terms = [[({ priorWeight }) => new NoiseLoss(priorWeight === undefined ? {} : { priorWeight }), 1]];
