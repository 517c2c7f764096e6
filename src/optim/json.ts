/** Optimisers and schedules from JSON: the same keys as in the constructors, patterns being text. */
import { type Check, type Checks, choice, count, listOf, made, required } from '../options/index.js';
import { ADAM_OPTIONS, Adam, AdamW } from './adam.js';
import { type Optimizer, withCommon } from './optimizer.js';
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
  step: made(STEP, (options) => new StepLR(options)),
  sequential: made(SEQUENCE, ({ schedulers, milestones }) => new SequentialLR(schedulers, milestones)),
};

const OPTIMIZERS: Readonly<Record<string, Check<Optimizer>>> = {
  sgd: made(withCommon(SGD_OPTIONS, schedule), (options) => new SGD(options)),
  adam: made(withCommon(ADAM_OPTIONS, schedule), (options) => new Adam(options)),
  adamW: made(withCommon(ADAM_OPTIONS, schedule), (options) => new AdamW(options)),
};

/**
 * `{ "adamW": { "lr": 1e-3, "schedule": { "cosineAnnealing": { "tMax": 1000 } }, "groups": [{ "parameters": "bias$",
 * "weightDecay": 0 }] } }`; optimisers are `sgd`, `adam`, `adamW`, schedules `cosineAnnealing`, `linear`, `step`, `sequential`.
 * @param where names the place in messages.
 * @throws GlobalPercError on an unknown name or key, naming the nearest, and on a value of the wrong type or out of range.
 */
export const fromJSON = (json: unknown, where = 'optimizer'): Optimizer => choice(OPTIMIZERS)(json, where);
