/** What a Trainer is told, checked. */
import type { StepOptions } from '../compile/index.js';
import { GlobalPercError, type Shape, type TensorType } from '../graph/index.js';
import type { Objective } from '../loss/index.js';
import { STEP } from '../loss/options.js';
import { type AnyModule, Module } from '../nn/index.js';
import { Optimizer } from '../optim/index.js';
import {
  anything,
  boolean,
  byteCount,
  type Checks,
  checkOptions,
  count,
  instanceOf,
  integer,
  type MemorySize,
  matching,
  number,
  positive,
  recordOf,
} from '../options/index.js';
import type { SessionOptions } from '../runtime/index.js';
import { DTYPE, type InputType, SHAPE, StudentInputs, TYPE, TYPES } from './inputs.js';
import { TrainedWeights } from './state.js';
import type { Recipe } from './step.js';

/** Options of `Trainer.create`. */
export interface TrainerOptions extends StepOptions {
  /** Shape of the input of every step, e.g. `[8, 3, 128, 128]`. */
  readonly batch?: Shape;
  /**
   * In place of `batch`, for a student of several inputs: their shapes by name, in the order in which its `forward` takes them;
   * `{ dtype: 'int64', shape }` for one of integers. `{ latents: [1, 4, 64, 64], text: [1, 77, 768] }` → `step({ latents, text })`.
   */
  readonly inputs?: Readonly<Record<string, InputType>>;
  /** Shapes of inputs that the loss's models leave open, where their files leave the sizes open too; `step(input, target, { inputs })` gives the values. */
  readonly lossInputs?: Readonly<Record<string, Shape>>;
  /** Element type of the input of `batch`. Default `float32`; `int64` for a student that begins with an Embedding. */
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
  /**
   * What the step may take, its weights included, in bytes or as `'1GB'`: activations beyond that are not kept for the gradient but computed again, which
   * takes longer; numbers stay the same. What it costs is said once.
   */
  readonly memory?: MemorySize;
}

/** Options of `Trainer.predict`. */
export interface PredictOptions {
  /** With the averaged weights. Default false. */
  readonly ema?: boolean;
}

export const PREDICT: Checks<PredictOptions> = { ema: boolean };

const OPTIONS: Checks<
  Omit<TrainerOptions, 'inputs'> & { readonly inputs?: Readonly<Record<string, TensorType>>; readonly memory?: number }
> = {
  ...STEP,
  batch: SHAPE,
  inputs: TYPES,
  lossInputs: recordOf(SHAPE, 'shapes by name'),
  dtype: DTYPE,
  target: (value, where) => checkOptions(value, TYPE, where),
  mask: boolean,
  clipGradNorm: positive,
  clipGradValue: positive,
  accumulate: count,
  ema: number({ least: 0, below: 1 }),
  seed: integer(),
  // What is inside is checked where ONNX Runtime is told.
  session: recordOf(anything, 'an object of options of ONNX Runtime'),
  memory: byteCount,
};

export const isStudent = instanceOf(Module, 'an nn.Module, or await loadModel(source, { trainable: true })');
export const isObjective = matching(
  (value): value is Objective => Object(Object(value).description) === Object(value).description,
  'a loss such as new nn.L1Loss()',
);
export const isOptimizer = matching(
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
    adversary: undefined,
    inputs: inputsOf(student, options),
    lossInputs: options.lossInputs ?? {},
    weights: new TrainedWeights(),
    target: options.target,
    mask: options.mask ?? false,
    clipGradNorm: options.clipGradNorm,
    clipGradValue: options.clipGradValue,
    accumulate: options.accumulate ?? 1,
    ema: options.ema,
    session: options.session ?? {},
    memory: options.memory,
  };
}

/** What the student is given. @throws GlobalPercError unless it is told in one way. */
function inputsOf(
  student: AnyModule,
  { batch, inputs, dtype }: Pick<TrainerOptions, 'batch' | 'dtype'> & { inputs?: Readonly<Record<string, TensorType>> },
): StudentInputs {
  if ((batch === undefined) === (inputs === undefined) || (inputs && dtype)) {
    throw new GlobalPercError(
      'Trainer: tell either batch, the shape of the one input, e.g. { batch: [8, 3, 128, 128] }, or inputs, shapes or types ' +
        'by name, e.g. { inputs: { latents: [1, 4, 64, 64], text: [1, 77, 768] } }',
      { code: 'invalid-option' },
    );
  }
  if (inputs) return StudentInputs.named(inputs, student, 'Trainer: inputs');
  const { inputNames: names = [] } = student;
  if (names.length > 1) {
    throw new GlobalPercError(
      `Trainer: the student has the inputs ${names.join(', ')}: tell the shape of each, { inputs: { ${names.map((name) => `${name}: […]`).join(', ')} } }, ` +
        'or give a value to all but one in loadModel(source, { trainable: true, inputs })',
      { code: 'invalid-option' },
    );
  }
  return StudentInputs.only({ dtype: dtype ?? 'float32', shape: batch as Shape });
}
