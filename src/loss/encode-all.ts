/** The targets of a data set, read once and kept in files. */
import { checkTensor, type Dataset, isDataset, type SampleTensor } from '../data/dataset.js';
import { formatSafetensors, readSafetensors, type SafeTensor } from '../data/safetensors.js';
import {
  bytesOf,
  floatsToHalves,
  GlobalPercError,
  halvesToFloats,
  joinedBytes,
  type Shape,
  sameShape,
} from '../graph/index.js';
import type { TensorLike } from '../model/index.js';
import { fileInMemory } from '../onnx/index.js';
import { type Checks, callback, checkOptions, oneOf, string } from '../options/index.js';
import { Generator } from '../random/index.js';
import { type Contents, type HostTensor, platform, type Steps } from '../runtime/index.js';
import type { CallOptions, Objective } from './description.js';
import { EncodedDataset } from './encoded-dataset.js';
import { EncodedLoss } from './encoded-loss.js';
import { describeReading, type Runnable, readTarget } from './run.js';

/** How far `encodeAll` is. */
export interface EncodeAllProgress {
  readonly step: 'encode';
  /** Targets that are there. */
  readonly done: number;
  readonly total: number;
}

/** Options of `encodeAll`. */
export interface EncodeAllOptions extends Pick<CallOptions, 'inputs' | 'signal'> {
  /**
   * How numbers are kept: float16 takes half the space, and changes gradients by less than 10⁻³ of their length; a feature beyond its
   * range (65504) is kept as float32. Default `float32`.
   */
  readonly dtype?: 'float32' | 'float16';
  /** Called with each target. */
  readonly onProgress?: (progress: EncodeAllProgress) => void;
}

const OPTIONS: Checks<Pick<EncodeAllOptions, 'dtype' | 'onProgress'>> = {
  dtype: oneOf('float32', 'float16'),
  onProgress: callback,
};

/** Carries out steps in the loss's turn. */
type Run = <T>(steps: () => Steps<T>, options: CallOptions) => Promise<T>;

/** So many of the first samples are asked for again, with other random choices. */
const ASKED_AGAIN = 8;

/** What a batch may differ from its samples in, relative to the largest number: other sizes are summed in another order. */
const TOLERANCE = 1e-3;

/** As `Loss.encodeAll`. */
export async function encodeAll(
  owner: Objective,
  loss: Runnable,
  run: Run,
  dataset: Dataset,
  folder: string,
  given: EncodeAllOptions,
): Promise<EncodedDataset> {
  const { dtype = 'float32', onProgress, ...options } = given;
  checkOptions({ dtype, ...(onProgress && { onProgress }) }, OPTIONS, 'encodeAll');
  isDataset(dataset, 'encodeAll: dataset');
  if (dataset.length === 0)
    throw new GlobalPercError('encodeAll: the data set is empty; it needs at least one sample', {
      code: 'invalid-argument',
    });
  await platform.makeFolder(string(folder, 'encodeAll: folder'));
  const { contents } = platform;
  if (contents === undefined) throw new Error('a platform with folders tells contents apart');
  const files = new TargetFiles({ loss, run, contents, folder, dtype, options });
  const first = await targetOf(dataset, 0);
  for (let index = 0; index < dataset.length; index += 1) {
    options.signal?.throwIfAborted();
    const target = index === 0 ? first : await targetOf(dataset, index);
    if (!sameShape(target.dims, first.dims)) {
      throw new GlobalPercError(
        `encodeAll: the target of sample ${index} is [${target.dims}], that of sample 0 [${first.dims}]: crop or resize them alike`,
        { code: 'invalid-argument' },
      );
    }
    if (!(await files.has(target))) {
      if (index < ASKED_AGAIN) await requireSteady(dataset, index, target);
      await files.write(target);
    }
    onProgress?.({ step: 'encode', done: index + 1, total: dataset.length });
  }
  const reading = { target: [1, ...first.dims], features: await files.shapesOf(first) };
  return new EncodedDataset(dataset, new EncodedLoss(owner, reading), (target) => files.read(target));
}

async function targetOf(dataset: Dataset, index: number, ...names: readonly number[]): Promise<SampleTensor> {
  const { target } = await dataset.get(index, new Generator(index, ...names));
  return checkTensor(target, `target of sample ${index}`);
}

/** @throws GlobalPercError for a target that depends on random choices: what was read once would not be its own the next time. */
async function requireSteady(dataset: Dataset, index: number, target: SampleTensor): Promise<void> {
  for (let attempt = 1; attempt < 4; attempt += 1) {
    const { data } = await targetOf(dataset, index, attempt);
    if (data.length === target.data.length && data.every((value, i) => value === target.data[i])) continue;
    throw new GlobalPercError(
      `encodeAll: the target of sample ${index} is another each time, which cannot be kept: leave random crops and flips out of the data set, or train without encodeAll`,
      { code: 'invalid-argument' },
    );
  }
}

/** What files are made from. */
interface Making {
  readonly loss: Runnable;
  readonly run: Run;
  readonly contents: Contents;
  readonly folder: string;
  readonly dtype: 'float32' | 'float16';
  readonly options: CallOptions;
}

/** The files of a folder, by what is in a target and by what is read of it. */
class TargetFiles {
  private readonly making: Making;
  private readonly readings = new Map<string, Promise<string>>();
  private areApart = false;

  constructor(making: Making) {
    this.making = making;
  }

  /** The file of a target, whether it is there or not. */
  async pathOf(target: SampleTensor): Promise<string> {
    const { contents, folder, dtype } = this.making;
    const reading = await this.readingOf(target);
    return `${folder}/${contents.digest([`${reading} ${dtype} [${target.dims}]\n`, bytesOf(target.data)])}.safetensors`;
  }

  /** What is read of targets of some shape. */
  private readingOf(target: SampleTensor): Promise<string> {
    const key = `${target.dims}`;
    const known = this.readings.get(key) ?? this.described(target);
    this.readings.set(key, known);
    return known;
  }

  private async described(target: SampleTensor): Promise<string> {
    const { loss, run, contents, options } = this.making;
    return contents.digest([await run(() => describeReading(loss, batched(target), contents, options), options)]);
  }

  /** What was read of a target, one feature behind the other; undefined where there is no such file. */
  async read(target: SampleTensor): Promise<Float32Array | undefined> {
    const path = await this.pathOf(target);
    if (!(await platform.exists(path))) return undefined;
    return inRow(await tensorsIn(path));
  }

  async has(target: SampleTensor): Promise<boolean> {
    return platform.exists(await this.pathOf(target));
  }

  /** Reads a target and writes what was read. @throws GlobalPercError where that cannot be told from what is read of others in a batch. */
  async write(target: SampleTensor): Promise<void> {
    const features = await this.compute(batched(target));
    if (!this.areApart) await this.requireApart(target, features);
    this.areApart = true;
    const kept = features.map((feature, i) => [`feature_${i}`, this.kept(feature)] as const);
    await platform.writeBytes(await this.pathOf(target), formatSafetensors(Object.fromEntries(kept)));
  }

  private compute(target: TensorLike): Promise<readonly Feature[]> {
    const { loss, run, options } = this.making;
    return run(function* () {
      return (yield* readTarget(loss, target, options)).map(requireFloats);
    }, options);
  }

  private kept({ dims, data }: Feature): SafeTensor {
    const halves = this.making.dtype === 'float16' ? floatsToHalves(data) : undefined;
    const isInRange = halves?.every((half) => (half & 0x7fff) < 0x7c00);
    return halves && isInRange ? { dtype: 'float16', dims, data: halves } : { dtype: 'float32', dims, data };
  }

  /** Shapes of what was read of a target whose file is there. */
  async shapesOf(target: SampleTensor): Promise<readonly Shape[]> {
    return (await tensorsIn(await this.pathOf(target))).map(({ dims }) => dims);
  }

  /** Of two targets what is read of each should follow each other; the second is the first, turned round. */
  private async requireApart(target: SampleTensor, features: readonly Feature[]): Promise<void> {
    const other = { dims: target.dims, data: target.data.toReversed() };
    const turned = await this.compute(batched(other));
    const both = await this.compute(batched(target, other));
    const wrong = both.findIndex((feature, i) => !isJoined(feature, features[i] as Feature, turned[i] as Feature));
    if (wrong === -1) return;
    throw new GlobalPercError(
      `encodeAll: what is read of a batch is not what is read of its images by themselves (feature ${wrong}), so that they cannot be kept apart: train without encodeAll`,
      { code: 'invalid-option' },
    );
  }
}

/** The tensors of a file in the order of their names' numbers; their data are parts of what was read. */
async function tensorsIn(path: string): Promise<readonly SafeTensor[]> {
  const { tensors } = readSafetensors(fileInMemory(await platform.readBytes(path)), path);
  return Array.from({ length: tensors.size }, (_, i) => tensors.get(`feature_${i}`) as SafeTensor);
}

/** The numbers of tensors, one behind the other: where they lie, if that is how they lie. */
function inRow(tensors: readonly SafeTensor[]): Float32Array {
  const [{ data: first }] = tensors as [SafeTensor];
  const size = tensors.reduce((sum, { data }) => sum + data.length, 0);
  let end = first.byteOffset;
  const areInRow = tensors.every(({ dtype, data }) => {
    const follows = dtype === 'float32' && data.buffer === first.buffer && data.byteOffset === end;
    end += data.byteLength;
    return follows;
  });
  if (areInRow) return new Float32Array(first.buffer as ArrayBuffer, first.byteOffset, size);
  const numbers = new Float32Array(size);
  end = 0;
  for (const { dtype, data } of tensors) {
    const part = numbers.subarray(end, end + data.length);
    if (dtype === 'float16') halvesToFloats(data as Uint16Array, part);
    else part.set(data as Float32Array);
    end += data.length;
  }
  return numbers;
}

const joined = (parts: readonly Float32Array[]): Float32Array => new Float32Array(joinedBytes(parts).buffer);

/** Whether a feature of two targets is that of one behind that of the other, along dim 0. */
function isJoined(both: Feature, first: Feature, second: Feature): boolean {
  const [outer = 0, ...inner] = first.dims;
  if (!sameShape(both.dims, [2 * outer, ...inner])) return false;
  const apart = joined([first.data, second.data]);
  const largest = apart.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return apart.every((value, i) => Math.abs(value - (both.data[i] as number)) <= TOLERANCE * largest);
}

/** Targets as a batch. */
const batched = (...targets: readonly SampleTensor[]): TensorLike => ({
  dims: [targets.length, ...(targets[0] as SampleTensor).dims],
  data: joined(targets.map(({ data }) => (data instanceof Float32Array ? data : Float32Array.from(data, Number)))),
});

type Feature = HostTensor & { readonly data: Float32Array };

function requireFloats(feature: HostTensor): Feature {
  if (feature.data instanceof Float32Array) return feature as Feature;
  throw new GlobalPercError(
    `encodeAll keeps numbers of float32, this loss reads ${feature.dtype} of its target: train without encodeAll`,
    { code: 'invalid-option' },
  );
}
