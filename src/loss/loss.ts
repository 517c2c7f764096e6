/** The interface every loss has: value, gradient, encoded targets, compiled files. What it computes is its description. */
import { Tensor as OrtTensor, type TypedTensor } from 'onnxruntime-common';
import { Runner } from '../compile/index.js';
import type { Graph, Shape } from '../graph/index.js';
import { snapshot, type TensorLike } from '../model/index.js';
import { anything, type Checks, checkOptions, recordOf, string } from '../options/index.js';
import { platform, release, runSteps, type SessionOptions, type Steps, startSync } from '../runtime/index.js';
import { filesAt, modelBytes, writeModelFile } from './compiled-file.js';
import type { CallOptions, HookLoss, LossDescription, Objective } from './description.js';
import { draftLoss, type LossDetails } from './draft.js';
import { EncodedTarget } from './encoded-target.js';
import { snapshotOptions } from './open-inputs.js';
import { SHAPE } from './options.js';
import { compute, encode, type Runnable } from './run.js';

/** What `valueAndGrad` returns. */
export interface ValueAndGrad {
  readonly value: number;
  /** Gradient with respect to the prediction, in its shape. */
  readonly grad: TypedTensor<'float32'>;
  /** One entry per hook; empty for losses without hooks. */
  readonly hooks: readonly HookLoss[];
}

/** A loss for callers that cannot wait for a promise, such as the loss function of another framework's training loop. */
export interface SynchronousLoss {
  /** As `Loss.valueAndGrad`; blocks until it is computed. @throws GlobalPercError as that rejects. */
  valueAndGrad(pred: TensorLike, target: TensorLike | EncodedTarget, options?: CallOptions): ValueAndGrad;
}

/** Options all losses take. */
export interface LossOptions {
  /** Passed on to ONNX Runtime: `executionProviders`, `intraOpNumThreads` (default: the cores available), … */
  readonly session?: SessionOptions;
}

/** What ONNX Runtime is told is checked where it is told. */
export const LOSS: Checks<LossOptions> = { session: recordOf(anything, 'an object of options of ONNX Runtime') };

export abstract class Loss implements Objective, AsyncDisposable {
  /** What it computes, apart from how it is run. */
  abstract readonly description: LossDescription;
  private readonly session: SessionOptions;
  private readonly runner: Runner<LossDetails>;

  /** @throws GlobalPercError on an unknown option. */
  constructor(options: LossOptions = {}) {
    const { session = {} } = checkOptions(options, LOSS, new.target.name);
    this.session = session;
    this.runner = new Runner('loss', session);
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
    const steps = () => compute(this.runnable, ...given);
    const { value, hooks } = await this.inTurn(steps, options);
    return { value, hooks };
  }

  /**
   * The loss for callers that cannot wait for a promise: in Node, and in a browser's Web Worker on a page with shared memory.
   * @throws GlobalPercError elsewhere, with the reason.
   */
  async synchronous(): Promise<SynchronousLoss> {
    await this.runner.take(async () => {
      await this.description.load?.();
      await startSync();
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
    return new EncodedTarget(this, shape, features, () => runSteps(release(Object.values(features))));
  }

  /**
   * The compiled loss for predictions of one shape, as an ONNX model of standard operators.
   * Inputs `pred` and `target`; outputs `loss` (scalar), `grad` (shape of pred) and, with hooks, `hook_losses`
   * (`[hooks]`). Inputs that the model leaves open are inputs of the same name.
   * @throws GlobalPercError when the weights exceed what an ONNX file can hold; `compileToFile` writes them beside it.
   */
  async compile(shape: Shape, options: CallOptions = {}): Promise<Uint8Array> {
    return modelBytes(await this.compiled(shape, options));
  }

  /**
   * Writes what `compile` returns to a file. Weights beyond what an ONNX file can hold (2 GB) go to `path.data` beside it.
   * @returns the number of bytes written.
   * @throws GlobalPercError when a file cannot be written, or is one that a model was read from.
   */
  async compileToFile(path: string, shape: Shape, options: CallOptions = {}): Promise<number> {
    string(path, 'compileToFile: path');
    await this.description.load?.();
    await platform.refuseOverwriting(filesAt(path), this.description.files ?? []);
    return writeModelFile(await this.compiled(shape, options), path);
  }

  private async compiled(shape: Shape, given: CallOptions): Promise<Graph> {
    const options = snapshotOptions(given);
    return this.inTurn(() => this.drafted(SHAPE(shape, 'compile: shape'), options), options);
  }

  private *drafted(shape: Shape, options: CallOptions): Steps<Graph> {
    const { description, session } = this;
    const context = { session, options };
    yield* description.prepare?.(shape, context) ?? [];
    const { graph } = yield* draftLoss(description, shape, { shape }, true, context);
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

  private get runnable(): Runnable {
    return { owner: this, description: this.description, runner: this.runner, session: this.session };
  }

  private *differentiated(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions,
  ): Steps<ValueAndGrad> {
    const { value, hooks, grad } = yield* compute(this.runnable, pred, target, true, options);
    if (grad === undefined) throw new Error('a program with gradient has given none');
    return { value, hooks, grad: new OrtTensor('float32', grad.data, grad.dims) };
  }
}
