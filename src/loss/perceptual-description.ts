/** What the perceptual loss computes: activations of a pretrained model for both images, and a distance at each hook. */
import { begin } from '../compile/index.js';
import {
  type ErrorCode,
  GlobalPercError,
  Recent,
  type Shape,
  sameShape,
  Tensor,
  type TensorType,
  type Value,
} from '../graph/index.js';
import {
  aboutReplacements,
  declaredType,
  describeInput,
  type Model,
  requireReplacements,
  type TensorLike,
} from '../model/index.js';
import { type ModuleCall, selectHooks } from '../modules/index.js';
import { type Specialized, specialize, transcribe } from '../passes/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import type { Transform } from '../transforms/index.js';
import { calibratedWeights, calibrationPairs } from './calibration.js';
import type { GlobalPercConfig } from './config.js';
import { weightCurve } from './curve.js';
import {
  type Comparison,
  describeHook,
  differentShapes,
  type HookSite,
  type LossDescription,
  type OpenInput,
  type RunContext,
  type Scene,
  sitesOf,
} from './description.js';
import type { Distance, LossFunc } from './distances.js';
import { fromUnitRange, toUnitRange } from './input-range.js';
import { Measured } from './measured.js';
import { weightedHooks } from './parts.js';
import { RangeWarning } from './range-warning.js';
import { View } from './view.js';

/** What is not the model's fault: a file of ONNX Runtime's own that is missing, a machine that is too small. */
const NOT_THE_MODELS: ReadonlySet<ErrorCode> = new Set(['io', 'out-of-memory', 'device-lost']);

/** The passes of the images of graphs that are being written. */
const PASSES = new WeakMap<Value, readonly Pass[]>();

/** One image on its way through a model, as far as it was needed. */
interface Pass {
  readonly by: PerceptualDescription;
  readonly draws: Scene['draws'];
  /** What stands in the graph for values of the model, its inputs included. */
  readonly tensors: Map<Value, Tensor>;
}

export class PerceptualDescription implements LossDescription<readonly Tensor[]> {
  readonly model: Model;
  readonly config: GlobalPercConfig;
  /** The hooked module calls in execution order. */
  readonly hooks: readonly ModuleCall[];
  /** The configuration's transform, or else the model's own. */
  readonly transform: Transform | undefined;
  readonly openInputs: readonly OpenInput[];
  /** Weight of each hook: the curve's, divided by the hook's scale once that is measured. */
  weights: readonly number[];
  private readonly range: RangeWarning;
  private readonly specialized = new Recent<Specialized>();
  private calibrated: boolean;

  /** @throws GlobalPercError when no module of the model matches `modulesToHook`. */
  constructor(model: Model, config: GlobalPercConfig) {
    requireImage(model);
    this.model = model;
    this.config = config;
    this.hooks = selectHooks(model.calls, config.modulesToHook);
    this.transform = config.transformNormalization ?? model.transform;
    this.openInputs = openInputsOf(model, this.hooks);
    this.weights = weightCurve(config, this.hooks.length);
    this.calibrated = !config.dynamicNormalization;
    const { inputRange } = config;
    this.range = new RangeWarning({ normalizes: this.transform?.normalizes ?? false, inputRange }, config.logger);
  }

  get files(): readonly string[] {
    return this.model.files;
  }

  prediction(scene: Scene): Steps<readonly Tensor[]> {
    return this.activations(scene.output, scene);
  }

  target(scene: Scene): Steps<readonly Tensor[]> {
    return this.activations(scene.target, scene);
  }

  /**
   * The activations at the hooks for images `[B, C, H, W]`. Whoever reads one image with one model and transform shares its pass, whatever it
   * hooks: only what is not yet in the graph is added.
   */
  *activations(image: Tensor, scene: Scene): Steps<readonly Tensor[]> {
    if (image.rank < 2) {
      throw new GlobalPercError(`an image batch [B, C, H, W] is expected, got shape [${image.shape}]`, {
        code: 'invalid-argument',
      });
    }
    const { tensors } = this.passOf(image, scene);
    const inputs = new Map([[this.model.input, tensors.get(this.model.input) as Tensor]]);
    for (const { name, needed } of this.openInputs)
      if (needed) inputs.set(this.model.openInput(name), scene.openInput(name));
    const body = yield* this.specialize(inputs, image.shape, scene);
    for (const [value, tensor] of inputs) tensors.set(value, tensor);
    const known = Array.from(tensors, ([value, tensor]) => [body.valueOf(value), tensor] as const);
    const computed = new Set(body.graph.nodes.flatMap(({ outputs }) => outputs));
    const added = this.model.graph.nodes
      .flatMap(({ outputs }) => outputs)
      .filter((value) => value !== undefined && !tensors.has(value) && computed.has(body.valueOf(value))) as Value[];
    const wanted = [...this.hooks.map(({ output }) => output), ...added];
    const made = transcribe(body.graph, image.graph, new Map(known), wanted.map(body.valueOf));
    for (const [i, value] of wanted.entries()) tensors.set(value, made[i] as Tensor);
    return made.slice(0, this.hooks.length);
  }

  /** The pass of an image that this description shares, or begins. */
  private passOf(image: Tensor, scene: Scene): Pass {
    const passes = PASSES.get(image.value) ?? [];
    const known = passes.find(({ by, draws }) => draws === scene.draws && this.readsAs(by));
    if (known) return known;
    const tensors = new Map([[this.model.input, this.transformed(image, scene)]]);
    const pass = { by: this, draws: scene.draws, tensors };
    PASSES.set(image.value, [...passes, pass]);
    return pass;
  }

  private readsAs({ model, transform, config: { inputRange } }: PerceptualDescription): boolean {
    return (
      model === this.model && transform === this.transform && String(inputRange) === String(this.config.inputRange)
    );
  }

  /** The image as the model sees it. @throws GlobalPercError of the transform, with the remedy for another layout. */
  private transformed(image: Tensor, { draws }: Scene): Tensor {
    const unit = toUnitRange(image, this.config.inputRange);
    try {
      return this.transform?.apply(unit, draws) ?? unit;
    } catch (error) {
      const remedy = this.model.layoutRemedy(image.shape);
      if (!(error instanceof GlobalPercError) || remedy === undefined) throw error;
      throw new GlobalPercError(`${error.message}; ${remedy}`, { code: error.code, cause: error });
    }
  }

  /** The model's graph for inputs of some types; kept, since prediction and target share it. */
  private *specialize(
    inputs: ReadonlyMap<Value, Tensor>,
    image: Shape,
    { session, options }: RunContext,
  ): Steps<Specialized> {
    const key = Array.from(inputs.values(), ({ shape }) => shape.join('x')).join(' ');
    const known = this.specialized.get(key);
    if (known) return known;
    const types = new Map<Value, TensorType>(
      Array.from(inputs, ([value, { dtype, shape }]) => [value, { dtype, shape }]),
    );
    this.model.checkInputShape((types.get(this.model.input) as TensorType).shape, image);
    begin('specialize', options);
    try {
      const outputs = this.hooks.map((hook) => hook.output);
      const made = yield* specialize(this.model.graph, types, outputs, session);
      yield* requireReplacements(this.model.graph, byName(types), session);
      this.specialized.set(key, made);
      return made;
    } catch (error) {
      if (!(error instanceof GlobalPercError) || NOT_THE_MODELS.has(error.code)) throw error;
      throw new GlobalPercError(
        `${this.model.source}: ${error.message}; it accepts ${this.model.accepts}${aboutReplacements(this.model.graph)}`,
        {
          code: error.code,
          cause: error,
        },
      );
    }
  }

  /** @throws GlobalPercError where the images differ in shape, or `lossFunc` gives no number. */
  compare(prediction: readonly Tensor[], target: readonly Tensor[], scene: Scene): Comparison {
    if (!prediction.every(({ shape }, i) => sameShape(shape, target[i]?.shape ?? []))) {
      throw differentShapes(scene.output.shape, scene.targetShape);
    }
    const sites = sitesOf(this.hooks, prediction);
    const view = new View(scene, this.transform);
    const measured = sites.map((site, i) => this.measured(site, prediction[i] as Tensor, target[i] as Tensor, view));
    return weightedHooks(scene, sites, measured, this.weights);
  }

  private measured(site: HookSite, prediction: Tensor, target: Tensor, view: View): Measured {
    const where = describeHook(site);
    const measured = explained(
      where,
      () => new Measured(distanceAt(this.config.lossFunc, site), prediction, target, view),
    );
    const { loss } = measured;
    if (!(loss instanceof Tensor)) {
      throw new GlobalPercError(`${where}: lossFunc gives no tensor`, { code: 'invalid-option' });
    }
    if (loss.size === 1) return measured;
    throw new GlobalPercError(
      `${where}: lossFunc gives shape [${loss.shape}], one number is needed: use reduction 'mean' or 'sum'`,
      { code: 'invalid-option' },
    );
  }

  /** Under `dynamicNormalization`, measures the scale of every hook once, on seeded noise of the first image's shape. */
  *prepare(shape: Shape, context: RunContext): Steps<void> {
    if (this.calibrated) return;
    this.weights = yield* calibratedWeights(this, this.weights, this.calibrationPairs(shape), context);
    this.calibrated = true;
  }

  /** What the scale is measured on: the same noise, whatever the range of images. */
  calibrationPairs(shape: Shape): [TensorLike, TensorLike][] {
    const { inputRange } = this.config;
    return calibrationPairs(shape).map(([a, b]) => [fromUnitRange(a, inputRange), fromUnitRange(b, inputRange)]);
  }

  inspect(name: string, { data }: HostTensor): void {
    this.range.inspect(name, data);
  }
}

/** @throws GlobalPercError for a model that reads tokens. */
function requireImage({ source, input }: Model): void {
  if (input.dtype === 'float32') return;
  throw new GlobalPercError(
    `${source}: input '${input.name}' is ${input.dtype}; a loss needs a float32 image input: loadModel(source, { input: '…' })`,
    { code: 'invalid-model' },
  );
}

const byName = (types: ReadonlyMap<Value, TensorType>): ReadonlyMap<string, TensorType> =>
  new Map(Array.from(types, ([{ name }, type]) => [name, type]));

/** The distance of one hook. @throws GlobalPercError when `lossFunc` gives none. */
export function distanceAt(lossFunc: LossFunc, site: HookSite): Distance {
  const none = (cause?: unknown): GlobalPercError =>
    new GlobalPercError(
      'lossFunc gives no distance: a function is called with the hook and gives an object with forward(input, target)',
      { code: 'invalid-option', ...(cause !== undefined && { cause }) },
    );
  const chosen = (): unknown => {
    if (typeof lossFunc !== 'function' || 'forward' in lossFunc) return lossFunc;
    try {
      return lossFunc(site);
    } catch (error) {
      // Most likely a function of input and target.
      throw error instanceof GlobalPercError ? error : none(error);
    }
  };
  const distance = chosen() as Partial<Distance> | undefined;
  if (typeof distance?.forward === 'function') return distance as Distance;
  throw none();
}

/** Names the hook in errors of a distance. */
function explained<T>(where: string, measure: () => T): T {
  try {
    return measure();
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    throw new GlobalPercError(`${where}: ${error.message}`, { code: error.code, cause: error });
  }
}

function openInputsOf(model: Model, hooks: readonly ModuleCall[]): OpenInput[] {
  const needed = new Set(model.openInputsOf(hooks.map(({ output }) => output)));
  return model.openInputs.map((input) => {
    const { name } = input;
    return {
      name,
      needed: needed.has(input),
      type: declaredType(input),
      tensor: (value) => model.inputTensor(name, value),
      missing: () =>
        new GlobalPercError(
          `${model.source}: input ${describeInput(input)} has no value: give it to loadModel(source, { inputs }), or with ` +
            'every call, valueAndGrad(pred, target, { inputs }); on the command line, --set',
          { code: 'invalid-argument' },
        ),
    };
  });
}
