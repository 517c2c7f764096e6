/** What a Trainer is told, checked. */
import type { StepOptions } from '../compile/index.js';
import type { Shape, TensorType } from '../graph/index.js';
import type { Objective } from '../loss/index.js';
import { STEP } from '../loss/options.js';
import { type AnyModule, Module } from '../nn/index.js';
import { Optimizer } from '../optim/index.js';
import {
  anything,
  boolean,
  type Checks,
  checkOptions,
  count,
  instanceOf,
  integer,
  matching,
  number,
  oneOf,
  positive,
  recordOf,
  required,
  shape,
} from '../options/index.js';
import type { SessionOptions } from '../runtime/index.js';
import type { Recipe } from './step.js';

/** Options of `Trainer.create`. */
export interface TrainerOptions extends StepOptions {
  /** Shape of the input of every step, e.g. `[8, 3, 128, 128]`. */
  readonly batch: Shape;
  /** Element type of the input. Default `float32`; `int64` for a student that begins with an Embedding. */
  readonly dtype?: 'float32' | 'int64';
  /** Type of the target, where the loss allows several; default: that of the student's output, for CrossEntropyLoss class indices. */
  readonly target?: TensorType;
  /** Whether every call gives a mask: `step(input, target, { mask })`, of the student's output. Default false. */
  readonly mask?: boolean;
  /** Limit of the norm of all gradients together. */
  readonly clipGradNorm?: number;
  /** Limit of each element of the gradients. */
  readonly clipGradValue?: number;
  /** Steps whose gradients are averaged before the optimiser acts. Default 1. */
  readonly accumulate?: number;
  /** Decay of an exponential moving average of the weights, e.g. 0.999; none by default. */
  readonly ema?: number;
  /** Names the random draws of dropout and random crops. Default 0. */
  readonly seed?: number;
  /** Passed on to ONNX Runtime. */
  readonly session?: SessionOptions;
}

/** Options of `Trainer.predict`. */
export interface PredictOptions {
  /** With the averaged weights. Default false. */
  readonly ema?: boolean;
}

export const PREDICT: Checks<PredictOptions> = { ema: boolean };

const DTYPE = oneOf('float32', 'int64');
const SHAPE = shape('[8, 3, 128, 128]');
const TARGET: Checks<TensorType> = { dtype: required(DTYPE), shape: required(SHAPE) };

const OPTIONS: Checks<TrainerOptions> = {
  ...STEP,
  batch: required(SHAPE),
  dtype: DTYPE,
  target: (value, where) => checkOptions(value, TARGET, where),
  mask: boolean,
  clipGradNorm: positive,
  clipGradValue: positive,
  accumulate: count,
  ema: number({ least: 0, below: 1 }),
  seed: integer(),
  // What is inside is checked where ONNX Runtime is told.
  session: recordOf(anything, 'an object of options of ONNX Runtime'),
};

const isStudent = instanceOf(Module, 'an nn.Module, or await loadModel(source, { trainable: true })');
const isObjective = matching(
  (value): value is Objective => Object(Object(value).description) === Object(value).description,
  'a loss such as new nn.L1Loss()',
);
const isOptimizer = matching(
  (value): value is Optimizer => value instanceof Optimizer,
  'an optimiser such as new optim.AdamW({ lr: 1e-3 })',
);

/** @throws GlobalPercError when an argument is another, an option is unknown or out of range. */
export function recipeOf(student: AnyModule, loss: Objective, optimizer: Optimizer, given: TrainerOptions): Recipe {
  isStudent(student, 'Trainer: student');
  isObjective(loss, 'Trainer: loss');
  isOptimizer(optimizer, 'Trainer: optimizer');
  const options = checkOptions(given, OPTIONS, 'Trainer');
  return {
    student,
    loss,
    optimizer,
    batch: options.batch,
    dtype: options.dtype ?? 'float32',
    target: options.target,
    mask: options.mask ?? false,
    clipGradNorm: options.clipGradNorm,
    clipGradValue: options.clipGradValue,
    accumulate: options.accumulate ?? 1,
    ema: options.ema,
    session: options.session ?? {},
  };
}
