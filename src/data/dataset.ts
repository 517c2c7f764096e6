/** Data sets: numbered samples of an input and what is wanted for it. */
import { GlobalPercError, sizeOf } from '../graph/index.js';
import { type Check, integer, listOf, refused, withMethods } from '../options/index.js';
import type { Generator } from '../random/index.js';

/** A concrete tensor in row-major order: float32 values, or int64 class indices. */
export interface SampleTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** One sample, without a batch dimension: an image is [3, H, W], a class index []. */
export interface Sample {
  readonly input: SampleTensor;
  readonly target: SampleTensor;
}

/** The numbers of the samples that may stand in for one that cannot be read, in their order. Called only where one is needed. */
export type Substitutes = () => readonly number[];

/** Numbered samples. Anything with these two members can be given to a `DataLoader`. */
export interface Dataset {
  /** Number of samples; stays the same. */
  readonly length: number;
  /**
   * Sample `index`, from 0. Random choices are drawn from `generator` alone, so that a run can be repeated.
   * @param substitutes Default: all samples. A part of a data set names its own, lest one of another part stands in.
   */
  get(index: number, generator: Generator, substitutes?: Substitutes): Promise<Sample>;
}

/** The index. @throws GlobalPercError when there is no such sample. */
export function requireIndex(index: number, length: number): number {
  if (Number.isInteger(index) && index >= 0 && index < length) return index;
  throw new GlobalPercError(`index should be an integer from 0 to ${length - 1}, got ${index}`, {
    code: 'invalid-argument',
  });
}

const hasGet: Check<Dataset> = withMethods('a data set { length, get(index, generator) }', 'get');

/** Checks a data set, which may be a user's own. */
export const isDataset: Check<Dataset> = (value, where) => {
  const dataset = hasGet(value, where);
  integer(0)(dataset.length, `${where}: length`);
  return dataset;
};

const dimensions = listOf(integer(0));

/** @throws GlobalPercError when it is no tensor of float32 or int64, or dimensions and data do not agree. */
export function checkTensor(tensor: SampleTensor, name: string): SampleTensor {
  const { dims, data } = Object(tensor) as Partial<SampleTensor>;
  if (!(data instanceof Float32Array || data instanceof BigInt64Array)) {
    throw refused(name, 'a tensor { dims, data }, its data a Float32Array or BigInt64Array', tensor, {
      code: 'invalid-argument',
    });
  }
  const size = sizeOf(dimensions(dims, `${name}: dims`));
  if (data.length === size) return tensor;
  throw new GlobalPercError(`${name}: dims [${dims}] need ${size} values, data holds ${data.length}`, {
    code: 'invalid-argument',
  });
}

const tensors: Check<readonly SampleTensor[]> = listOf((value, where) => checkTensor(value as SampleTensor, where));

/** Samples in memory: `inputs[i]` with `targets[i]`. */
export class TensorDataset implements Dataset {
  private readonly inputs: readonly SampleTensor[];
  private readonly targets: readonly SampleTensor[];

  /** @throws GlobalPercError when the numbers of inputs and targets differ, or dimensions and data of one do. */
  constructor(inputs: readonly SampleTensor[], targets: readonly SampleTensor[]) {
    this.inputs = tensors(inputs, 'TensorDataset: inputs');
    this.targets = tensors(targets, 'TensorDataset: targets');
    if (inputs.length === targets.length) return;
    throw new GlobalPercError(`TensorDataset needs a target per input, got ${inputs.length} and ${targets.length}`, {
      code: 'invalid-option',
    });
  }

  get length(): number {
    return this.inputs.length;
  }

  /** The tensors as they were given, not copies. @throws GlobalPercError when there is no sample `index`. */
  async get(index: number): Promise<Sample> {
    requireIndex(index, this.length);
    return { input: this.inputs[index] as SampleTensor, target: this.targets[index] as SampleTensor };
  }
}
