/** The perceptual loss: distances between a pretrained model's activations for prediction and target. */
import {
  described,
  GlobalPercError,
  type Graph,
  type Shape,
  Tensor,
  type TensorType,
  type Value,
} from '../graph/index.js';
import { declaredType, describeInput, Model, toFloat32 } from '../model/index.js';
import { type ModuleCall, selectHooks } from '../modules/index.js';
import { createGraph } from '../ops/index.js';
import { type Specialized, specialize, transcribe } from '../passes/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import { Draws, type Transform } from '../transforms/index.js';
import { GlobalPercConfig } from './config.js';
import { weightCurve } from './curve.js';
import { Loss, type LossOptions } from './loss.js';
import { openInputName } from './names.js';
import { normalPairs } from './noise.js';
import { begin, type CallOptions, type Comparison, describeHooks, type Hook, weightedHooks } from './objective.js';

/** Pairs of random inputs whose losses set the scale of each hook under `dynamicNormalization`. */
const CALIBRATION_PAIRS = 10;
/** Keeps the division finite for a hook that never differs. */
const CALIBRATION_EPSILON = 1e-5;

/**
 * Σᵢ wᵢ · lossFunc(Aᵢ, Bᵢ) over the hooked activations A of the prediction and B of the target. The model is frozen
 * and in eval mode, as it was exported; the target carries no gradient.
 *
 * @example
 * const loss = new GlobalPercLoss(await loadModel('dinov2.onnx'), new GlobalPercConfig({ modulesToHook: [nn.Linear] }));
 * const { value, grad } = await loss.valueAndGrad(pred, target);
 */
export class GlobalPercLoss extends Loss {
  readonly model: Model;
  readonly config: GlobalPercConfig;
  /** The hooked module calls in execution order. */
  readonly hooks: readonly ModuleCall[];
  /** The configuration's transform, or else the model's own. */
  readonly transform: Transform | undefined;
  /** The inputs that the hooks depend on and that have no value in the model. */
  private readonly openInputs: readonly Value[];
  /** Weight of each hook: the curve's, divided by the hook's scale under `dynamicNormalization`. */
  weights: readonly number[];
  private readonly specialized = new Map<string, Specialized>();
  private calibrated = false;
  private warned = false;

  /** @throws GlobalPercError when no module of the model matches `modulesToHook`, and where an argument is another. */
  constructor(model: Model, config: GlobalPercConfig = new GlobalPercConfig(), options: LossOptions = {}) {
    super(options);
    requireArguments(model, config);
    this.model = model;
    this.config = config;
    this.hooks = selectHooks(model.calls, config.modulesToHook);
    this.openInputs = model.openInputsOf(this.hooks.map(({ output }) => output));
    this.transform = config.transformNormalization ?? model.transform;
    this.weights = weightCurve(config, this.hooks.length);
    if (config.printData) this.print();
  }

  private print(): void {
    const { logger } = this.config;
    for (const { path, class: className } of this.hooks) logger(`~ Hook in module: ${path} (${className})`);
    logger(`~ Total hooks: ${this.hooks.length}`);
    logger(`~ Weight of each hook: ${this.weights.map((weight) => Number(weight.toFixed(4))).join(', ')}`);
  }

  /** The hooks as they are for inputs of one shape `[B, C, H, W]`. Throws as `evaluate` does. */
  hooksFor(shape: Shape, options: CallOptions = {}): Promise<Hook[]> {
    return this.inTurn(() => this.describedHooks(shape, options));
  }

  private *describedHooks(shape: Shape, options: CallOptions): Steps<Hook[]> {
    yield* this.prepare(shape, options);
    const features = yield* this.features(createGraph().input('pred', 'float32', shape), new Draws(), options);
    return describeHooks(this.hooks, features, this.weights);
  }

  override get encodable(): boolean {
    return !this.transform?.random;
  }

  /** The open inputs that the hooks depend on. @throws GlobalPercError naming one that is not given. */
  protected override furtherInputs(options: CallOptions): Readonly<Record<string, HostTensor>> {
    const given = this.givenInputs(options);
    return Object.fromEntries(
      this.openInputs.map((input) => [openInputName(input.name), given.get(input.name) ?? this.refuseOpen(input)]),
    );
  }

  private givenInputs({ inputs = {} }: CallOptions): ReadonlyMap<string, HostTensor> {
    return new Map(Object.entries(inputs).map(([name, value]) => [name, this.model.inputTensor(name, value)]));
  }

  /** Types of the open inputs: as given, or as declared. @throws GlobalPercError naming one that is neither. */
  private openTypes(options: CallOptions): Map<Value, TensorType> {
    const given = this.givenInputs(options);
    return new Map(
      this.openInputs.map((input) => {
        const tensor = given.get(input.name);
        const type = tensor ? { dtype: tensor.dtype, shape: tensor.dims } : declaredType(input);
        return [input, type ?? this.refuseOpen(input)];
      }),
    );
  }

  private refuseOpen(input: Value): never {
    throw new GlobalPercError(
      `${this.model.source}: input ${describeInput(input)} has no value: give it to loadModel(source, { inputs }), or with ` +
        'every call, valueAndGrad(pred, target, { inputs }); on the command line, --set',
    );
  }

  override *features(image: Tensor, draws: Draws, options: CallOptions): Steps<Tensor[]> {
    if (image.rank < 2)
      throw new GlobalPercError(`an image batch [B, C, H, W] is expected, got shape [${image.shape}]`);
    const input = this.transform?.apply(image, draws) ?? image;
    const types = new Map<Value, TensorType>([
      [this.model.input, { dtype: input.dtype, shape: input.shape }],
      ...this.openTypes(options),
    ]);
    const body = yield* this.specialize(types, options);
    const wanted = this.hooks.map((hook) => body.valueOf(hook.output));
    const bindings = Array.from(types, ([value, type]) => {
      const tensor = value === this.model.input ? input : sharedInput(image.graph, openInputName(value.name), type);
      return [body.valueOf(value), tensor] as const;
    });
    return transcribe(body.graph, image.graph, new Map(bindings), wanted);
  }

  /** The model's graph for inputs of some types; kept, since prediction and target share it. */
  private *specialize(types: ReadonlyMap<Value, TensorType>, options: CallOptions): Steps<Specialized> {
    const key = Array.from(types.values(), ({ shape }) => shape.join('x')).join(' ');
    const known = this.specialized.get(key);
    if (known) return known;
    this.model.checkInputShape((types.get(this.model.input) as TensorType).shape);
    begin('specialize', options);
    try {
      const outputs = this.hooks.map((hook) => hook.output);
      const made = yield* specialize(this.model.graph, types, outputs, this.session);
      this.specialized.set(key, made);
      return made;
    } catch (error) {
      if (!(error instanceof GlobalPercError)) throw error;
      throw new GlobalPercError(`${this.model.source}: ${error.message}; it accepts ${this.model.accepts}`);
    }
  }

  override compare(prediction: readonly Tensor[], target: readonly Tensor[]): Comparison {
    const losses = prediction.map((activation, i) => {
      const distance = this.config.lossFunc.forward(activation, target[i] as Tensor);
      if (distance.size === 1) return distance.reshape([1]);
      throw new GlobalPercError(
        `hook ${this.hooks[i]?.path}: lossFunc gives shape [${distance.shape}], one number is needed: use reduction 'mean' or 'sum'`,
      );
    });
    return weightedHooks(this.hooks, prediction, losses, this.weights);
  }

  /** Measures the scale of every hook once, on seeded noise of the first input's shape. */
  override *prepare(shape: Shape, options: CallOptions): Steps<void> {
    if (this.calibrated || !this.config.dynamicNormalization) return;
    yield* this.calibrate(shape, options);
    this.calibrated = true;
  }

  /** The pairs of inputs that calibration compares. */
  protected calibrationPairs(shape: Shape): ReturnType<typeof normalPairs> {
    return normalPairs(shape, CALIBRATION_PAIRS);
  }

  private *calibrate(shape: Shape, options: CallOptions): Steps<void> {
    const sums = this.hooks.map(() => 0);
    const pairs = this.calibrationPairs(shape);
    for (const [first, second] of pairs) {
      const { hooks } = yield* this.measured('evaluate', toFloat32(first, 'pred'), second, options);
      for (const { index, loss } of hooks) sums[index] = (sums[index] as number) + loss;
    }
    const scale = (i: number): number => Math.abs((sums[i] as number) / pairs.length) + CALIBRATION_EPSILON;
    this.weights = this.weights.map((weight, i) => weight / scale(i));
    yield* this.reset();
  }

  /** Warns once when the values do not look like the [0, 1] images that Normalize expects. */
  override inspect(name: string, data: Float32Array): void {
    if (this.warned || !this.transform?.normalizes) return;
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const value of data) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low >= -0.5 && high <= 2) return;
    this.warned = true;
    const remedy = high > 10 ? 'divide them by 255' : 'map them with (x + 1) / 2, or do not normalise them twice';
    this.config.logger(
      `warning: ${name} holds values from ${low.toFixed(2)} to ${high.toFixed(2)}; Normalize expects images in [0, 1]: ${remedy}`,
    );
  }
}

function requireArguments(model: unknown, config: unknown): void {
  if (!(model instanceof Model)) {
    throw new GlobalPercError(`a perceptual loss takes a model, await loadModel(source), got ${described(model)}`);
  }
  if (!(config instanceof GlobalPercConfig)) {
    throw new GlobalPercError(`a perceptual loss takes a GlobalPercConfig, got ${described(config)}`);
  }
}

/** An input that prediction and target share: the second body finds what the first has declared. */
function sharedInput(graph: Graph, name: string, { dtype, shape }: TensorType): Tensor {
  const known = graph.inputs.find((input) => input.name === name);
  return known ? new Tensor(graph, known) : graph.input(name, dtype, shape);
}
