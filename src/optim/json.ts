/** Optimisers and schedules from JSON: the same keys as in the constructors, patterns being text. */
import { type Check, type Checks, choice, count, listOf, made, required } from '../options/index.js';
import { ADAFACTOR_OPTIONS, Adafactor } from './adafactor.js';
import { ADAM_OPTIONS, Adam, AdamW } from './adam.js';
import { NADAM_OPTIONS, NAdam, RADAM_OPTIONS, RAdam } from './adam-variants.js';
import { CosineAnnealingWarmRestarts, ONE_CYCLE, OneCycleLR, WARM_RESTARTS } from './cyclic.js';
import { LION_OPTIONS, Lion } from './lion.js';
import { type Optimizer, withCommon } from './optimizer.js';
import { PLATEAU, ReduceLROnPlateau } from './plateau.js';
import { RMSPROP_OPTIONS, RMSprop } from './rmsprop.js';
import {
  COSINE,
  CosineAnnealingLR,
  LINEAR,
  LinearLR,
  type LRScheduler,
  SequentialLR,
  STEP,
  StepLR,
} from './schedule.js';
import { SGD, SGD_OPTIONS } from './sgd.js';

interface Sequence {
  readonly schedulers: readonly LRScheduler[];
  readonly milestones: readonly number[];
}

/** Read late, since a sequence holds schedules itself. */
const schedule: Check<LRScheduler> = (value, where) => choice(SCHEDULES)(value, where);

const SEQUENCE: Checks<Sequence> = { schedulers: required(listOf(schedule)), milestones: required(listOf(count)) };

const SCHEDULES: Readonly<Record<string, Check<LRScheduler>>> = {
  cosineAnnealing: made(COSINE, (options) => new CosineAnnealingLR(options)),
  linear: made(LINEAR, (options) => new LinearLR(options)),
  cosineAnnealingWarmRestarts: made(WARM_RESTARTS, (options) => new CosineAnnealingWarmRestarts(options)),
  oneCycle: made(ONE_CYCLE, (options) => new OneCycleLR(options)),
  reduceLROnPlateau: made(PLATEAU, (options) => new ReduceLROnPlateau(options)),
  step: made(STEP, (options) => new StepLR(options)),
  sequential: made(SEQUENCE, ({ schedulers, milestones }) => new SequentialLR(schedulers, milestones)),
};

const OPTIMIZERS: Readonly<Record<string, Check<Optimizer>>> = {
  sgd: made(withCommon(SGD_OPTIONS, schedule), (options) => new SGD(options)),
  adam: made(withCommon(ADAM_OPTIONS, schedule), (options) => new Adam(options)),
  adamW: made(withCommon(ADAM_OPTIONS, schedule), (options) => new AdamW(options)),
  nAdam: made(withCommon(NADAM_OPTIONS, schedule), (options) => new NAdam(options)),
  rAdam: made(withCommon(RADAM_OPTIONS, schedule), (options) => new RAdam(options)),
  adafactor: made(withCommon(ADAFACTOR_OPTIONS, schedule), (options) => new Adafactor(options)),
  lion: made(withCommon(LION_OPTIONS, schedule), (options) => new Lion(options)),
  rmsProp: made(withCommon(RMSPROP_OPTIONS, schedule), (options) => new RMSprop(options)),
};

/**
 * `{ "adamW": { "lr": 1e-3, "schedule": { "cosineAnnealing": { "tMax": 1000 } }, "groups": [{ "parameters": "bias$",
 * "weightDecay": 0 }] } }`; optimisers are `sgd`, `adam`, `adamW`, `nAdam`, `rAdam`, `adafactor`, `lion`, `rmsProp`, schedules `cosineAnnealing`,
 * `cosineAnnealingWarmRestarts`, `linear`, `oneCycle`, `reduceLROnPlateau`, `step`, `sequential`.
 * @param where names the place in messages.
 * @throws GlobalPercError on an unknown name or key, naming the nearest, and on a value of the wrong type or out of range.
 */
export const fromJSON = (json: unknown, where = 'optimizer'): Optimizer => choice(OPTIMIZERS)(json, where);
