/** What a Trainer is told, checked. */

import type { StepOptions } from '../compile/index.js';
import { GlobalPercError, type Shape, type TensorType } from '../graph/index.js';
import type { Objective } from '../loss/index.js';
import type { AnyModule } from '../nn/index.js';
import type { Optimizer } from '../optim/index.js';
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

/** @throws GlobalPercError when an option is out of range. */
export function recipeOf(student: AnyModule, loss: Objective, optimizer: Optimizer, options: TrainerOptions): Recipe {
  const { batch, dtype = 'float32', target, accumulate = 1, ema, session = {} } = options;
  const positive = { accumulate, clipGradNorm: options.clipGradNorm, clipGradValue: options.clipGradValue };
  for (const [name, value] of Object.entries(positive)) {
    if (value !== undefined && !(value > 0))
      throw new GlobalPercError(`Trainer: ${name} should be positive, got ${value}`);
  }
  if (!Number.isInteger(accumulate))
    throw new GlobalPercError(`Trainer: accumulate should be an integer, got ${accumulate}`);
  if (ema !== undefined && !(ema >= 0 && ema < 1))
    throw new GlobalPercError(`Trainer: ema should lie in [0, 1), got ${ema}`);
  if (!Array.isArray(batch) || !batch.every((dim) => Number.isInteger(dim) && dim > 0)) {
    throw new GlobalPercError(
      `Trainer: batch should be the input's shape, e.g. [8, 3, 128, 128], got ${JSON.stringify(batch)}`,
    );
  }
  return {
    student,
    loss,
    optimizer,
    batch,
    dtype,
    target,
    clipGradNorm: options.clipGradNorm,
    clipGradValue: options.clipGradValue,
    accumulate,
    ema,
    session,
  };
}
