/** What a loss is, apart from how it runs: what it reads, how it compares, what it must know first. Descriptions compose. */
import type { StepOptions } from '../compile/index.js';
import { GlobalPercError, kindOf, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import type { InputValue, TensorLike } from '../model/index.js';
import type { ModuleCall } from '../modules/index.js';
import type { AnyModule } from '../nn/index.js';
import type { HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import type { Draws } from '../transforms/index.js';

/** What is compared: a tensor, or several, in the order in which the loss made them. */
export type Features = Tensor | readonly Features[];

/** A loss as a piece of a graph. The graph may be a loss's own, or that of a training step. */
export interface LossDescription<F extends Features = Features> {
  /** What is read of the prediction. */
  prediction(scene: Scene): Steps<F>;
  /** What is read of the target; it depends on nothing else if targets are to be encoded. */
  target(scene: Scene): Steps<F>;
  /** The loss of what was read. @throws GlobalPercError when that cannot be compared. */
  compare(prediction: F, target: F, scene: Scene): Comparison;
  /** Type of the target for an output of the given type. Default: the same. */
  targetType?(output: TensorType): TensorType;
  /** Inputs of its models that no image fills and that have no value yet. Default: none. */
  readonly openInputs?: readonly OpenInput[];
  /** Fetches what it must have before it is asked anything else, such as weights; at once when it has them. */
  load?(): Promise<void>;
  /** Files that its models were read from; no compiled loss is written over one of them. Default: none. */
  readonly files?: readonly string[];
  /** Learns what it must know before its first graph. @param shape of the first prediction. */
  prepare?(shape: Shape, context: RunContext): Steps<void>;
  /**
   * A module of its own, such as projectors, which trains with the student, and is saved and resumed apart from it: `objective.safetensors`. Asked for
   * in a training step alone, in front of the comparison, which calls it; with the same parts every time. Default: none.
   */
  owned?(scene: Scene): Steps<AnyModule | undefined>;
  /** Looks at the values of a target. @throws GlobalPercError when an output of some shape cannot be compared with them. */
  requireTarget?(target: HostTensor, output: Shape): void;
  /** Looks at a concrete image, to warn about unlikely values. @param name what messages call it. */
  inspect?(name: string, image: HostTensor): void;
}

/** An input that gets its value with every call. */
export interface OpenInput {
  readonly name: string;
  /** Whether what is compared depends on it. */
  readonly needed: boolean;
  /** Its type, where the model's file declares it in full. */
  readonly type: TensorType | undefined;
  /** A value for it in its element type. @throws GlobalPercError when it does not fit. */
  tensor(value: InputValue): HostTensor;
  /** The error for a call that gives it none. */
  missing(): GlobalPercError;
}

/** How a loss is run. */
export interface RunContext {
  readonly session: SessionOptions;
  readonly options: CallOptions;
}

/** What a loss sees of the graph it becomes part of. */
export interface Scene extends RunContext {
  /** The prediction: what a student made of its input, in a training step. */
  readonly output: Tensor;
  /** A training step asks for a target where this is read, and only there. */
  readonly target: Tensor;
  /** Shape of the target, also where it was read before. */
  readonly targetShape: Shape;
  /** The module that is trained; absent where a loss runs by itself. */
  readonly student?: StudentScene;
  readonly draws: Draws;
  /** Weights of the prediction's pixels, `[B, 1, H, W]` or `[1, 1, H, W]`; absent where all count alike. */
  readonly mask?: Tensor;
  /** The tensor of an open input, which all who ask for it share. */
  openInput(name: string): Tensor;
}

/** The student of a training step. */
export interface StudentScene {
  readonly module: object;
  /** Whether it takes a step; otherwise it is evaluated. */
  readonly training: boolean;
  /** What it was given; the first of several inputs. */
  readonly input: Tensor;
  /** All that it was given, by name: `input`, or the names of the trainer's `inputs`. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** All that it gave: the prediction, and what else its `forward` hands to a loss. */
  readonly outputs: readonly Tensor[];
  /** Its module calls in execution order. */
  readonly calls: readonly ModuleCall[];
  /** Its weights that train, by path, in the order in which it read them. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** A scene in which the prediction or the target is another, made where it is first read; all else is as it was. */
export function sceneWith(
  scene: Scene,
  made: { readonly output?: () => Tensor; readonly target?: () => Tensor },
): Scene {
  const lazily = (make: () => Tensor): PropertyDescriptor => {
    let known: Tensor | undefined;
    return {
      get: () => {
        known ??= make();
        return known;
      },
    };
  };
  const other = Object.entries(made).map(([name, make]) => [name, lazily(make)] as const);
  return Object.create(scene, Object.fromEntries(other));
}

/** Options of what runs a loss. */
export interface CallOptions extends StepOptions {
  /** Values of the model's further inputs that `loadModel` left open, by name; a number fills the input. */
  readonly inputs?: Readonly<Record<string, InputValue>>;
  /**
   * Where the loss looks: weights in [0, 1] of the prediction's pixels, `[B, 1, H, W]`, or `[1, 1, H, W]` for the whole batch. At
   * each hook they are averaged to the places of the activation, and a weighted mean replaces the mean. Class and
   * register tokens weigh the mask's mean; hooks without places, such as a Linear behind pooling, count as without it.
   */
  readonly mask?: TensorLike;
}

/** What a student can be trained with: any loss. */
export interface Objective {
  readonly description: LossDescription;
  /** Whether its `dispose` was called. */
  readonly disposed?: boolean;
}

/** @throws GlobalPercError for what is no loss, the first argument of a constructor. */
export function requireObjective(loss: unknown, owner: string): void {
  if (Object(loss).description !== undefined) return;
  throw new GlobalPercError(`${owner}: the first argument should be a loss, got ${kindOf(loss)}`, {
    code: 'invalid-option',
  });
}

/** The description of a loss that is still in use. @throws GlobalPercError after its disposal. */
export function descriptionOf(loss: Objective): LossDescription {
  if (!loss.disposed) return loss.description;
  throw new GlobalPercError(`${loss.constructor.name} was disposed; make a new one`, { code: 'disposed' });
}

/** A place where activations are compared. */
export interface Hook extends HookSite {
  readonly weight: number;
}

/** A hook, before it has a weight. */
export interface HookSite {
  /** Position in execution order. */
  readonly index: number;
  /** Dotted path of the module, as PyTorch's `named_modules` gives it. */
  readonly path: string;
  /** PyTorch class name. */
  readonly class: string;
  /** Shape of the activation. */
  readonly shape: Shape;
}

/** One hooked activation and its part in the loss: `value = Σ weight · loss`. */
export interface HookLoss extends Hook {
  /** Distance between prediction and target at this hook, before weighting. */
  readonly loss: number;
  /** The same of each sample by itself, `[B]`; absent where the loss as a whole has none. */
  readonly samples?: Float32Array;
}

/** What a loss computes from what it has read. */
export interface Comparison {
  /** Scalar. */
  readonly loss: Tensor;
  /** Shape `[hooks]`, unweighted. */
  readonly hookLosses?: Tensor;
  readonly hooks: readonly Hook[];
  /** What `loss` is the sum of: one summand for each hook; a loss without hooks is one. */
  readonly summands: readonly Summand[];
  /** Scalar: what a trainer's adversary, a part of what the objective owns, makes smaller; all else trains on `loss`. */
  readonly adversary?: Tensor;
  /** Scalars that a training step reports beside the loss, by name. */
  readonly logged?: Readonly<Record<string, Tensor>>;
}

/** A part of a loss, and its weight in it. */
export interface Summand {
  readonly weight: number;
  readonly part: Part;
}

/** A part of a loss, as far as it can be taken apart. */
export interface Part {
  /** Of each sample by itself, `[B]`, unweighted; undefined where samples cannot be told apart. */
  samples(): Tensor | undefined;
  /** Rows and columns at which it compares; undefined for what has no places in the image. */
  readonly grid: readonly [rows: number, columns: number] | undefined;
  /** Tokens that it compares and that have no place, such as that of the class. */
  readonly withoutPlace: number;
  /** Where: `[B, 1, H, W]` on the prediction, unweighted; its mean over space is the sample's part. Undefined without places. */
  map(): Tensor | undefined;
}

/** Appends a loss to a graph. */
export function* lossIn(description: LossDescription, scene: Scene): Steps<Comparison> {
  const prediction = yield* description.prediction(scene);
  return compared(description, prediction, yield* description.target(scene), scene);
}

/** @throws GlobalPercError when the loss is not one number. */
export function compared(
  description: LossDescription,
  prediction: Features,
  target: Features,
  scene: Scene,
): Comparison {
  const comparison = description.compare(prediction, target, scene);
  const { shape, size } = comparison.loss;
  if (size === 1) return comparison;
  throw new GlobalPercError(`a loss must be one number, got shape [${shape}]: use reduction 'mean' or 'sum'`, {
    code: 'invalid-option',
  });
}

export const withWeights = (sites: readonly HookSite[], weights: readonly number[]): Hook[] =>
  sites.map((site, i) => ({ ...site, weight: weights[i] as number }));

/** Hooked calls as places in a graph. */
export const sitesOf = (calls: readonly ModuleCall[], activations: readonly Tensor[]): HookSite[] =>
  calls.map(({ path, class: className }, index) => ({
    index,
    path,
    class: className,
    shape: (activations[index] as Tensor).shape,
  }));

/** How messages name a hook. */
export const describeHook = ({ index, path, class: className }: Pick<Hook, 'index' | 'path' | 'class'>): string =>
  `hook ${index} (${path ? `${path}, ` : ''}${className})`;

/** The error for two images that cannot be compared. */
export const differentShapes = (pred: Shape, target: Shape): GlobalPercError =>
  new GlobalPercError(
    `pred has shape [${pred}], target [${target}]: they must be the same, or be brought to one size by ` +
      'transformNormalization (CenterCrop, Resize)',
    { code: 'invalid-argument' },
  );
