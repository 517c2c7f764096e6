/**
 * The interface every loss has – value, gradient, encoded targets – and the machinery behind it: programs compiled per
 * input shape, kept in sessions, freed on disposal. A loss itself says only what it compares and how.
 */
import { Tensor as OrtTensor } from 'onnxruntime-common';
import { gradient } from '../autodiff/index.js';
import { GlobalPercError, type Graph, type Shape, sameShape, type Tensor, type TensorType } from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import { createGraph, requiredOpset } from '../ops/index.js';
import { fold, simplify } from '../passes/index.js';
import { type HostTensor, release, Session, type SessionOptions } from '../runtime/index.js';
import { Draws } from '../transforms/index.js';
import { modelBytes, writeModelFile } from './compiled-file.js';
import { EncodedTarget } from './encoded-target.js';
import {
  begin,
  type CallOptions,
  type Comparison,
  type Hook,
  type HookLoss,
  type Objective,
  type Scene,
} from './objective.js';

/** What `valueAndGrad` returns. */
export interface ValueAndGrad {
  readonly value: number;
  /** Gradient with respect to the prediction, in its shape. */
  readonly grad: OrtTensor;
  /** One entry per hook; empty for losses without hooks. */
  readonly hooks: readonly HookLoss[];
}

/** Options all losses take. */
export interface LossOptions {
  /** Passed on to ONNX Runtime: `executionProviders`, `intraOpNumThreads` (default: the cores available), … */
  readonly session?: SessionOptions;
}

/** What a compiled program computes. */
type Purpose = 'evaluate' | 'gradient' | 'encode' | 'evaluate encoded' | 'gradient encoded';

interface Program {
  readonly session: Session;
  readonly hooks: readonly Hook[];
}

/** Shapes of the two images; they differ only where a transform brings them to one size. */
interface ImageShapes {
  readonly pred: Shape;
  readonly target: Shape;
}

interface Draft {
  readonly graph: Graph;
  readonly hooks: readonly Hook[];
}

export abstract class Loss implements Objective, AsyncDisposable {
  protected readonly session: SessionOptions;
  private readonly programs = new Map<string, Promise<Program>>();
  private disposed = false;

  constructor({ session = {} }: LossOptions = {}) {
    this.session = session;
  }

  /** What is compared: the image itself, or activations of a model that sees it. */
  abstract features(image: Tensor, draws: Draws, options: CallOptions): Promise<Tensor[]>;

  /** The loss of the prediction's features against the target's. */
  abstract compare(prediction: readonly Tensor[], target: readonly Tensor[]): Comparison;

  /** Called before the first program for a shape is built. */
  async prepare(_shape: Shape, _options: CallOptions): Promise<void> {}

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
  async objective({ output, target, draws }: Scene, options: CallOptions = {}): Promise<Comparison> {
    await this.prepare(output.shape, options);
    const prediction = await this.features(output, draws, options);
    const wanted = await this.features(target, draws, options);
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
  async valueAndGrad(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions = {},
  ): Promise<ValueAndGrad> {
    const input = this.input('pred', pred);
    await this.prepare(input.dims, options);
    const { value, hooks, grad } = await this.run('gradient', input, target, options);
    const { data, dims } = grad as HostTensor;
    return { value, hooks, grad: new OrtTensor('float32', data as Float32Array, dims) };
  }

  /** The loss and the losses of the single hooks, without the gradient. */
  async valueAndHooks(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    options: CallOptions = {},
  ): Promise<Omit<ValueAndGrad, 'grad'>> {
    const input = this.input('pred', pred);
    await this.prepare(input.dims, options);
    const { value, hooks } = await this.run('evaluate', input, target, options);
    return { value, hooks };
  }

  /** Computes the target's features once; the result stands in for the target in later calls. */
  async encode(target: TensorLike, options: CallOptions = {}): Promise<EncodedTarget> {
    if (!this.encodable) {
      throw new GlobalPercError(
        'a loss with RandomCrop cannot encode a target: the crop must be the same for both images',
      );
    }
    const input = this.input('target', target);
    await this.prepare(input.dims, options);
    const further = this.furtherInputs(options);
    const { session } = await this.program('encode', { pred: input.dims, target: input.dims }, further, options);
    const features = await session.runKept({ target: input, ...further });
    return new EncodedTarget(this, input.dims, features, () => release(Object.values(features)));
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

  private async compiled(shape: Shape, options: CallOptions): Promise<Graph> {
    await this.prepare(shape, options);
    return (await this.draft('gradient', { pred: shape, target: shape }, options)).graph;
  }

  /** Frees every session. The loss cannot be used afterwards. */
  async dispose(): Promise<void> {
    this.disposed = true;
    const programs = await Promise.allSettled(this.programs.values());
    this.programs.clear();
    await Promise.all(programs.map((program) => program.status === 'fulfilled' && program.value.session.dispose()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Drops the compiled programs, because something they hold as a constant has changed. */
  protected async reset(): Promise<void> {
    await this.dispose();
    this.disposed = false;
  }

  private input(name: string, tensor: TensorLike): HostTensor & { readonly data: Float32Array } {
    if (this.disposed) throw new GlobalPercError('this loss was disposed; make a new one');
    const input = toFloat32(tensor, name);
    this.inspect(name, input.data);
    return input;
  }

  /** The losses of the single hooks, without preparation: what a preparation itself may call. */
  protected async measure(pred: TensorLike, target: TensorLike, options: CallOptions): Promise<readonly HookLoss[]> {
    return (await this.run('evaluate', toFloat32(pred, 'pred'), target, options)).hooks;
  }

  private async run(
    kind: 'evaluate' | 'gradient',
    input: HostTensor,
    target: TensorLike | EncodedTarget,
    options: CallOptions,
  ): Promise<{ value: number; hooks: HookLoss[]; grad: HostTensor | undefined }> {
    const encoded = target instanceof EncodedTarget;
    const targetFeeds = encoded ? target.feeds(this) : { target: this.input('target', target) };
    const targetShape = encoded ? target.shape : (targetFeeds.target as HostTensor).dims;
    const further = this.furtherInputs(options);
    const purpose: Purpose = encoded ? `${kind} encoded` : kind;
    const { session, hooks } = await this.program(purpose, { pred: input.dims, target: targetShape }, further, options);
    const { loss, hook_losses: hookLosses, grad } = await session.run({ pred: input, ...targetFeeds, ...further });
    const losses = hookLosses?.data ?? [];
    return {
      value: Number(loss?.data?.[0]),
      hooks: hooks.map((hook, i) => ({ ...hook, loss: Number(losses[i]) })),
      grad,
    };
  }

  private async program(
    purpose: Purpose,
    shapes: ImageShapes,
    further: Readonly<Record<string, HostTensor>>,
    options: CallOptions,
  ): Promise<Program> {
    const furtherShapes = Object.values(further).map(({ dims }) => dims);
    const key = [purpose, ...[shapes.pred, shapes.target, ...furtherShapes].map((shape) => shape.join('x'))].join(' ');
    const known = this.programs.get(key);
    if (known) return known;
    const program = this.open(purpose, shapes, options);
    this.programs.set(key, program);
    program.catch(() => this.programs.delete(key));
    return program;
  }

  private async open(purpose: Purpose, shapes: ImageShapes, options: CallOptions): Promise<Program> {
    const { graph, hooks } = await this.draft(purpose, shapes, options);
    begin('open', options);
    return { session: await Session.open(graph, requiredOpset(graph), this.session), hooks };
  }

  /** The finished graph for one purpose and pair of shapes. */
  private async draft(purpose: Purpose, shapes: ImageShapes, options: CallOptions): Promise<Draft> {
    const graph = createGraph();
    const draws = new Draws();
    if (purpose === 'encode') {
      const features = await this.features(graph.input('target', 'float32', shapes.target), draws, options);
      for (const [i, feature] of features.entries()) graph.output(`feature_${i}`, feature);
      return { graph: await this.finish(graph, options), hooks: [] };
    }
    const pred = graph.input('pred', 'float32', shapes.pred);
    const prediction = await this.features(pred, draws, options);
    const target = purpose.endsWith('encoded')
      ? prediction.map((feature, i) => graph.input(`feature_${i}`, feature.dtype, feature.shape))
      : await this.features(graph.input('target', 'float32', shapes.target), draws, options);
    const { loss, hookLosses, hooks } = this.compared(prediction, target, shapes);
    graph.output('loss', loss.reshape([]));
    if (purpose.startsWith('gradient')) {
      begin('differentiate', options);
      graph.output('grad', gradient(loss, [pred])[0] as Tensor);
    }
    if (hookLosses) graph.output('hook_losses', hookLosses);
    return { graph: await this.finish(graph, options), hooks };
  }

  private async finish(graph: Graph, options: CallOptions): Promise<Graph> {
    begin('fold', options);
    const simplified = simplify(graph);
    await fold(simplified, this.session);
    options.signal?.throwIfAborted();
    return simplified;
  }
}

const differentShapes = ({ pred, target }: ImageShapes): GlobalPercError =>
  new GlobalPercError(
    `pred has shape [${pred}], target [${target}]: they must be the same, or be brought to one size by ` +
      'transformNormalization (CenterCrop, Resize)',
  );
