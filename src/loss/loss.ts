/** The interface every loss has: value, gradient, encoded targets, compiled files. What it computes is its description. */
import { Tensor as OrtTensor, type TypedTensor } from 'onnxruntime-common';
import { Runner } from '../compile/index.js';
import type { Dataset } from '../data/dataset.js';
import { GlobalPercError, type Graph, type Shape } from '../graph/index.js';
import { snapshot, type TensorLike } from '../model/index.js';
import {
  anything,
  boolean,
  byteCount,
  type Checks,
  checkOptions,
  listOf,
  type MemorySize,
  oneOf,
  recordOf,
  string,
} from '../options/index.js';
import { platform, release, runSteps, type SessionOptions, type Steps, startSync } from '../runtime/index.js';
import { filesAt, modelBytes, writeModelFile } from './compiled-file.js';
import type { CallOptions, HookLoss, LossDescription, Objective } from './description.js';
import { draftLoss, type Given, type LossDetails, type Wanted } from './draft.js';
import type { EncodeAllOptions } from './encode-all.js';
import type { EncodedDataset } from './encoded-dataset.js';
import { EncodedTarget } from './encoded-target.js';
import type { LossMap } from './loss-map.js';
import { maskShape } from './mask.js';
import { snapshotOptions } from './open-inputs.js';
import { SHAPE } from './options.js';
import { type Computed, compute, computeMap, encode, type Runnable } from './run.js';

/** What `valueAndGrad` returns. */
export interface ValueAndGrad {
  readonly value: number;
  /** Gradient with respect to the prediction, in its shape. */
  readonly grad: TypedTensor<'float32'>;
  /** One entry per hook; empty for losses without hooks. */
  readonly hooks: readonly HookLoss[];
  /**
   * The loss of each sample by itself, `[B]`. Absent for batches of more than one where samples cannot be told apart: where a
   * distance of the caller's own has no `elements`, and where activations have no batch dimension in front.
   */
  readonly samples?: Float32Array;
}

/** Options of `map`. */
export interface MapOptions extends Omit<CallOptions, 'mask'> {
  /** Whether each hook's own map is given too. Default false. */
  readonly hooks?: boolean;
}

/** Options of `compile`. */
export interface CompileOptions extends Omit<CallOptions, 'mask'> {
  /** Outputs beside loss, gradient and losses of the hooks: `samples` `[B]`, `map` `[B, 1, H, W]`. Default none. */
  readonly outputs?: readonly ('samples' | 'map')[];
  /** Whether the file has an input `mask` `[B, 1, H, W]`. Default false. */
  readonly mask?: boolean;
}

const MAP: Checks<Pick<MapOptions, 'hooks'>> = { hooks: boolean };
const COMPILE: Checks<Pick<CompileOptions, 'outputs' | 'mask'>> = {
  outputs: listOf(oneOf('samples', 'map')),
  mask: boolean,
};

/** A loss for callers that cannot wait for a promise, such as the loss function of another framework's training loop. */
export interface SynchronousLoss {
  /** As `Loss.valueAndGrad`; blocks until it is computed. @throws GlobalPercError as that rejects. */
  valueAndGrad(pred: TensorLike, target: TensorLike | EncodedTarget, options?: CallOptions): ValueAndGrad;
}

/** Options all losses take. */
export interface LossOptions {
  /** Passed on to ONNX Runtime: `executionProviders`, `intraOpNumThreads` (default: the cores available), … */
  readonly session?: SessionOptions;
  /**
   * What a program of it may take, its weights included, in bytes or as `'1GB'`: activations beyond that are not kept for the gradient but computed again,
   * which takes longer; numbers stay the same. What it costs is said once for each shape. In a Trainer its own `memory` counts.
   */
  readonly memory?: MemorySize;
}

/** What ONNX Runtime is told is checked where it is told. */
export const LOSS: Checks<LossOptions & Budget> = {
  session: recordOf(anything, 'an object of options of ONNX Runtime'),
  memory: byteCount,
};

interface Budget {
  readonly memory?: number;
}

/**
 * A loss of a prediction against a target, compiled with its gradient for each shape it is called with. Calls made at once are
 * carried out one after the other. `await using` disposes it at the end of its block.
 */
export abstract class Loss implements Objective, AsyncDisposable {
  /** What it computes, apart from how it is run. */
  abstract readonly description: LossDescription;
  private readonly session: SessionOptions;
  private readonly runner: Runner<LossDetails>;

  /** @throws GlobalPercError on an unknown option. */
  constructor(options: LossOptions = {}) {
    const { session = {}, memory } = checkOptions(options, LOSS, new.target.name);
    this.session = session;
    this.runner = new Runner('loss', session, memory);
  }

  /**
   * The loss of `pred` against `target` (`[B, C, H, W]`, of one shape, or of one after the transform), or against a
   * target encoded before.
   * @throws GlobalPercError on shapes that differ or do not fit the model, on NaN or infinite input, and when the loss itself
   * is NaN or infinite.
   */
  async evaluate(pred: TensorLike, target: TensorLike | EncodedTarget, options: CallOptions = {}): Promise<number> {
    return (await this.valueAndHooks(pred, target, options)).value;
  }

  /** The loss, its gradient with respect to `pred`, and the losses of the single hooks. Throws as `evaluate` does. */
  async valueAndGrad(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions = {},
  ): Promise<ValueAndGrad> {
    const given = [snapshot(pred), snapshot(target), snapshotOptions(options)] as const;
    return this.inTurn(() => this.differentiated(...given), options);
  }

  /** The loss and the losses of the single hooks, without the gradient. Throws as `evaluate` does. */
  async valueAndHooks(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions = {},
  ): Promise<Omit<ValueAndGrad, 'grad'>> {
    const given = [snapshot(pred), snapshot(target), false, snapshotOptions(options)] as const;
    const steps = () => this.computed(...given);
    const { value, hooks, samples } = await this.inTurn(steps, options);
    return { value, hooks, ...(samples && { samples }) };
  }

  /**
   * Where in the image the loss arises: each hook's distance before its mean over space, resized bilinearly to the prediction
   * and taken back through the transform, and their weighted sum. Where every hook has places, its mean over space is the
   * loss of a sample – up to the bilinear resizing, which keeps a mean exactly where sizes are whole multiples. Tokens of a
   * vision transformer are laid out as their grid.
   * @throws GlobalPercError as `evaluate` does, when nothing that is compared has a place in the image, and for a transform that
   * does not tell its geometry.
   */
  async map(pred: TensorLike, target: TensorLike | EncodedTarget, options: MapOptions = {}): Promise<LossMap> {
    const { hooks = false, ...rest } = options;
    checkOptions({ hooks }, MAP, 'map');
    const given = [snapshot(pred), snapshot(target), hooks, snapshotOptions(rest)] as const;
    return this.inTurn(() => computeMap(this.runnable, ...given), rest);
  }

  /**
   * The loss for callers that cannot wait for a promise: in Node, and in a browser's Web Worker on a page with shared memory.
   * @throws GlobalPercError elsewhere, with the reason.
   */
  async synchronous(): Promise<SynchronousLoss> {
    await this.runner.take(async () => {
      await this.description.load?.();
      await startSync(this.session);
    });
    return {
      valueAndGrad: (pred, target, given = {}) => {
        const options = snapshotOptions(given);
        return this.runner.blocking(() => this.differentiated(pred, target, options), options);
      },
    };
  }

  /**
   * Reads the target once; the result stands in for it in later calls.
   * @throws GlobalPercError as `evaluate` does, and for a loss whose target cannot be read by itself: one with RandomCrop or RandomShift.
   */
  async encode(target: TensorLike, options: CallOptions = {}): Promise<EncodedTarget> {
    const given = [snapshot(target), snapshotOptions(options)] as const;
    const [shape, features] = await this.inTurn(() => encode(this.runnable, ...given), options);
    return new EncodedTarget(this, shape, features, () => runSteps(release(Object.values(features), this.session)));
  }

  /**
   * Reads the targets of a data set once, and keeps what it has read in files of a folder: safetensors, by what is in the target, and by
   * whatever decides what is read of it – model, hooks, transform. Where they are there nothing is computed, as in a run that goes on. Node only.
   * @example
   * const encoded = await loss.encodeAll(photos, 'features/');
   * const loader = new DataLoader(encoded, { batchSize: 8 });
   * const trainer = await Trainer.create(student, encoded.loss, optimizer, { batch: [8, 3, 128, 128] });
   * @throws GlobalPercError as `encode` does, for targets that change from time to time or differ in shape, and when a file cannot be written.
   */
  async encodeAll(dataset: Dataset, folder: string, options: EncodeAllOptions = {}): Promise<EncodedDataset> {
    const { encodeAll } = await import('./encode-all.js');
    return encodeAll(this, this.runnable, (steps, rest) => this.inTurn(steps, rest), dataset, folder, options);
  }

  /**
   * The compiled loss for predictions of one shape, as an ONNX model of standard operators.
   * Inputs `pred` and `target`; outputs `loss` (scalar), `grad` (shape of pred) and, with hooks, `hook_losses`
   * (`[hooks]`); `samples` and `map` where `outputs` names them. Inputs that the model leaves open are inputs of the same name.
   * @throws GlobalPercError when the weights exceed what an ONNX file can hold; `compileToFile` writes them beside it.
   */
  async compile(shape: Shape, options: CompileOptions = {}): Promise<Uint8Array> {
    return modelBytes(await this.compiled(shape, options));
  }

  /**
   * Writes what `compile` returns to a file. Weights beyond what an ONNX file can hold (2 GB) go to `path.data` beside it.
   * @returns the number of bytes written.
   * @throws GlobalPercError when a file cannot be written, or is one that a model was read from.
   */
  async compileToFile(path: string, shape: Shape, options: CompileOptions = {}): Promise<number> {
    string(path, 'compileToFile: path');
    await this.description.load?.();
    await platform.refuseOverwriting(filesAt(path), this.description.files ?? []);
    return writeModelFile(await this.compiled(shape, options), path);
  }

  private async compiled(given: Shape, { outputs = [], mask = false, ...rest }: CompileOptions): Promise<Graph> {
    checkOptions({ outputs, mask }, COMPILE, 'compile');
    const options = snapshotOptions(rest);
    const shape = SHAPE(given, 'compile: shape');
    const masked = mask && { mask: maskShape(shape) };
    const inputs: Given = { pred: shape, target: { shape }, ...masked };
    return this.inTurn(() => this.drafted(inputs, ['grad', ...outputs], options), options);
  }

  private *drafted(given: Given, wanted: readonly Wanted[], options: CallOptions): Steps<Graph> {
    const { description, session } = this;
    const context = { session, options };
    yield* description.prepare?.(given.pred, context) ?? [];
    const { graph } = yield* draftLoss(description, given, wanted, context);
    if (wanted.includes('samples') && !graph.outputs.some(({ name }) => name === 'samples')) {
      throw new GlobalPercError(
        'compile: samples cannot be told apart: a distance has no elements, or activations have no batch dimension in front',
        { code: 'invalid-option' },
      );
    }
    return yield* this.runner.finished(graph, options);
  }

  /** Whether `dispose` was called. */
  get disposed(): boolean {
    return this.runner.disposed;
  }

  /** Frees every session. The loss cannot be used afterwards. */
  dispose(): Promise<void> {
    return this.runner.dispose();
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Carries out a computation after the calls that were made before. @throws GlobalPercError after `dispose`. */
  protected inTurn<T>(steps: (session: SessionOptions) => Steps<T>, options: CallOptions): Promise<T> {
    return this.runner.inTurn(
      () => steps(this.session),
      options,
      () => this.description.load?.(),
    );
  }

  /** @internal Value and, where it is wanted, gradient: by one program of the description, unless a loss goes another way. */
  protected computed(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    withGradient: boolean,
    options: CallOptions,
  ): Steps<Computed> {
    return compute(this.runnable, pred, target, withGradient, options);
  }

  /** @internal */
  protected get runnable(): Runnable {
    return { owner: this, description: this.description, runner: this.runner, session: this.session };
  }

  private *differentiated(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions,
  ): Steps<ValueAndGrad> {
    const { value, hooks, samples, grad } = yield* this.computed(pred, target, true, options);
    if (grad === undefined) throw new Error('a program with gradient has given none');
    return { value, hooks, grad: new OrtTensor('float32', grad.data, grad.dims), ...(samples && { samples }) };
  }
}
