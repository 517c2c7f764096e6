/** Checks of what losses are told. */
import type { StepOptions } from '../compile/index.js';
import type { InputValue, TensorLike } from '../model/index.js';
import { abortSignal, anything, type Check, type Checks, callback, recordOf, shape } from '../options/index.js';
import type { CallOptions } from './description.js';

export const SHAPE = shape('[1, 3, 224, 224]');

export const STEP: Checks<StepOptions> = {
  signal: abortSignal,
  onProgress: callback,
};

/** The values of inputs are checked where the model's are known, a mask where the image is. */
export const CALL: Checks<CallOptions> = {
  ...STEP,
  inputs: recordOf<InputValue>(anything),
  mask: anything as Check<TensorLike>,
};
