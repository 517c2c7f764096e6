/**
 * The interface every loss has – value, gradient, encoded targets – and the machinery behind it: programs compiled per
 * input shape, kept in sessions, freed on disposal. A loss itself says only what it compares and how.
 */
import { Tensor as OrtTensor } from 'onnxruntime-common';
import { GlobalPercError, type Graph, type Shape, sameShape, type Tensor, type TensorType } from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import { checkOptions } from '../options/index.js';
import {
  type HostTensor,
  release,
  runSteps,
  runStepsSync,
  type SessionOptions,
  type Steps,
  startSync,
  Turns,
} from '../runtime/index.js';
import type { Draws } from '../transforms/index.js';
import { modelBytes, writeModelFile } from './compiled-file.js';
import { EncodedTarget } from './encoded-target.js';
import type { CallOptions, Comparison, HookLoss, Objective, Scene } from './objective.js';
import { LOSS } from './options.js';
import { type ImageShapes, Programs, type Purpose } from './programs.js';

/** What `valueAndGrad` returns. */
export interface ValueAndGrad {
  readonly value: number;
  /** Gradient with respect to the prediction, in its shape. */
  readonly grad: OrtTensor;
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

interface Computed {
  readonly value: number;
  readonly hooks: readonly HookLoss[];
  readonly grad: HostTensor | undefined;
}

export abstract class Loss implements Objective, AsyncDisposable {
  protected readonly session: SessionOptions;
  private readonly programs: Programs;
  private readonly turns = new Turns();
  private disposed = false;

  /** @throws GlobalPercError on an unknown option. */
  constructor(options: LossOptions = {}) {
    const { session = {} } = checkOptions(options, LOSS, new.target.name);
    this.session = session;
    this.programs = new Programs(session, {
      features: (image, draws, options) => this.features(image, draws, options),
      compared: (prediction, target, shapes) => this.compared(prediction, target, shapes),
    });
  }

  /** What is compared: the image itself, or activations of a model that sees it. */
  abstract features(image: Tensor, draws: Draws, options: CallOptions): Steps<Tensor[]>;

  /** The loss of the prediction's features against the target's. */
  abstract compare(prediction: readonly Tensor[], target: readonly Tensor[]): Comparison;

  /** Called before the first program for a shape is built. */
  *prepare(_shape: Shape, _options: CallOptions): Steps<void> {}

  /** Called with every concrete input, to warn about unlikely values. */
  inspect(_name: string, _data: Float32Array): void {}

  /** Concrete further inputs of the programs, by name. */
  protected furtherInputs(_options: CallOptions): Readonly<Record<string, HostTensor>> {
    return {};
  }

  /** False when two applications of the loss see different random draws, so a target cannot be encoded once. */
  get encodable(): boolean {
    return true;
  }

  /** What it accepts as target of a student's output: by default an image like it. */
  targetType(output: TensorType): TensorType {
    return output;
  }

  /** The loss of a student's output against the target, as part of a training step. */
  *objective({ output, target, draws }: Scene, options: CallOptions = {}): Steps<Comparison> {
    yield* this.prepare(output.shape, options);
    const prediction = yield* this.features(output, draws, options);
    const wanted = yield* this.features(target, draws, options);
    return this.compared(prediction, wanted, { pred: output.shape, target: target.shape });
  }

  /** Whether features can be compared: by default those of the same shapes. */
  protected comparable(prediction: readonly Tensor[], target: readonly Tensor[]): boolean {
    return prediction.every((feature, i) => sameShape(feature.shape, (target[i] as Tensor).shape));
  }

  private compared(prediction: readonly Tensor[], target: readonly Tensor[], shapes: ImageShapes): Comparison {
    if (!this.comparable(prediction, target)) throw differentShapes(shapes);
    const comparison = this.compare(prediction, target);
    const { shape, size } = comparison.loss;
    if (size === 1) return comparison;
    throw new GlobalPercError(`a loss must be one number, got shape [${shape}]: use reduction 'mean' or 'sum'`);
  }

  /**
   * The loss of `pred` against `target` (`[B, C, H, W]`, of one shape, or of one after the transform), or against a
   * target encoded before.
   * @throws GlobalPercError on shapes that differ or do not fit the model, and on NaN or infinite input.
   */
  async evaluate(pred: TensorLike, target: TensorLike | EncodedTarget, options: CallOptions = {}): Promise<number> {
    return (await this.valueAndHooks(pred, target, options)).value;
  }

  /** The loss, its gradient with respect to `pred`, and the losses of the single hooks. Throws as `evaluate` does. */
  valueAndGrad(pred: TensorLike, target: TensorLike | EncodedTarget, options: CallOptions = {}): Promise<ValueAndGrad> {
    return this.inTurn(() => this.differentiated(pred, target, options));
  }

  /** The loss and the losses of the single hooks, without the gradient. */
  valueAndHooks(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions = {},
  ): Promise<Omit<ValueAndGrad, 'grad'>> {
    return this.inTurn(() => this.computed('evaluate', pred, target, options));
  }

  /**
   * The loss for callers that cannot wait for a promise: in Node, and in a browser's Web Worker on a page with shared memory.
   * @throws GlobalPercError elsewhere, with the reason.
   */
  async synchronous(): Promise<SynchronousLoss> {
    await startSync();
    return {
      valueAndGrad: (pred, target, options = {}) => {
        if (this.turns.idle) return runStepsSync(this.differentiated(pred, target, options));
        throw new GlobalPercError(
          'an asynchronous call of this loss is not done yet: await it before a synchronous one',
        );
      },
    };
  }

  /** Computes the target's features once; the result stands in for the target in later calls. */
  encode(target: TensorLike, options: CallOptions = {}): Promise<EncodedTarget> {
    return this.inTurn(() => this.encoded(target, options));
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
   * @throws GlobalPercError when a file cannot be written.
   */
  async compileToFile(path: string, shape: Shape, options: CallOptions = {}): Promise<number> {
    return writeModelFile(await this.compiled(shape, options), path);
  }

  private compiled(shape: Shape, options: CallOptions): Promise<Graph> {
    return this.inTurn(() => this.drafted(shape, options));
  }

  private *drafted(shape: Shape, options: CallOptions): Steps<Graph> {
    yield* this.prepare(shape, options);
    return (yield* this.programs.draft('gradient', { pred: shape, target: shape }, options)).graph;
  }

  /** Frees every session. The loss cannot be used afterwards. */
  dispose(): Promise<void> {
    return this.inTurn(() => {
      this.disposed = true;
      return this.reset();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Carries out a computation after those that were asked for before. */
  protected inTurn<T>(steps: () => Steps<T>): Promise<T> {
    return this.turns.take(() => runSteps(steps()));
  }

  /** Drops the compiled programs, because something they hold as a constant has changed. */
  protected reset(): Steps<void> {
    return this.programs.dispose();
  }

  private input(name: string, tensor: TensorLike): HostTensor & { readonly data: Float32Array } {
    if (this.disposed) throw new GlobalPercError('this loss was disposed; make a new one');
    const input = toFloat32(tensor, name);
    this.inspect(name, input.data);
    return input;
  }

  private *differentiated(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions,
  ): Steps<ValueAndGrad> {
    const { value, hooks, grad } = yield* this.computed('gradient', pred, target, options);
    const { data, dims } = grad as HostTensor;
    return { value, hooks, grad: new OrtTensor('float32', data as Float32Array, dims) };
  }

  private *encoded(target: TensorLike, options: CallOptions): Steps<EncodedTarget> {
    if (!this.encodable) {
      throw new GlobalPercError(
        'a loss with RandomCrop cannot encode a target: the crop must be the same for both images',
      );
    }
    const input = this.input('target', target);
    yield* this.prepare(input.dims, options);
    const further = this.furtherInputs(options);
    const { session } = yield* this.programs.opened(
      'encode',
      { pred: input.dims, target: input.dims },
      further,
      options,
    );
    const features = yield* session.runKept({ target: input, ...further });
    return new EncodedTarget(this, input.dims, features, () => runSteps(release(Object.values(features))));
  }

  private *computed(
    kind: 'evaluate' | 'gradient',
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions,
  ): Steps<Computed> {
    const input = this.input('pred', pred);
    yield* this.prepare(input.dims, options);
    return yield* this.measured(kind, input, target, options);
  }

  /** Without preparation: what a preparation itself may call. */
  protected *measured(
    kind: 'evaluate' | 'gradient',
    pred: HostTensor,
    target: TensorLike | EncodedTarget,
    options: CallOptions,
  ): Steps<Computed> {
    const encoded = target instanceof EncodedTarget;
    const targetFeeds = encoded ? target.feeds(this) : { target: this.input('target', target) };
    const shapes = { pred: pred.dims, target: encoded ? target.shape : (targetFeeds.target as HostTensor).dims };
    const further = this.furtherInputs(options);
    const purpose: Purpose = encoded ? `${kind} encoded` : kind;
    const { session, hooks } = yield* this.programs.opened(purpose, shapes, further, options);
    const { loss, hook_losses: hookLosses, grad } = yield* session.run({ pred, ...targetFeeds, ...further });
    const losses = hookLosses?.data ?? [];
    return {
      value: Number(loss?.data?.[0]),
      hooks: hooks.map((hook, i) => ({ ...hook, loss: Number(losses[i]) })),
      grad,
    };
  }
}

const differentShapes = ({ pred, target }: ImageShapes): GlobalPercError =>
  new GlobalPercError(
    `pred has shape [${pred}], target [${target}]: they must be the same, or be brought to one size by ` +
      'transformNormalization (CenterCrop, Resize)',
  );
