/** Checks of what losses are told. */
import type { StepOptions } from '../compile/index.js';
import type { InputValue } from '../model/index.js';
import { anything, type Checks, callback, instanceOf, oneOf, recordOf, shape } from '../options/index.js';
import type { CallOptions } from './description.js';
import type { Reduction } from './distances.js';
import type { LossOptions } from './loss.js';

export const REDUCTION = oneOf<Reduction>('mean', 'sum', 'none');

export const SHAPE = shape('[1, 3, 224, 224]');

/** What ONNX Runtime is told is checked where it is told. */
export const LOSS: Checks<LossOptions> = { session: recordOf(anything, 'an object of options of ONNX Runtime') };

export const STEP: Checks<StepOptions> = {
  signal: instanceOf(AbortSignal, 'the signal of an AbortController'),
  onProgress: callback,
};

/** The values of inputs are checked where the model's are known. */
export const CALL: Checks<CallOptions> = { ...STEP, inputs: recordOf<InputValue>(anything) };
