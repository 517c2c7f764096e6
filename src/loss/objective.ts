/** What a training step asks of a loss, and what every loss gives back. */
import { concat, constantOf, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import type { InputValue } from '../model/index.js';
import type { ModuleCall } from '../modules/index.js';
import type { Steps } from '../runtime/index.js';
import type { Draws } from '../transforms/index.js';

/** One hooked activation and its part in the loss: `value = Σ weight · loss`. */
export interface HookLoss extends Hook {
  /** Distance between prediction and target at this hook, before weighting. */
  readonly loss: number;
}

/** A place where activations are compared. */
export interface Hook {
  /** Position in execution order. */
  readonly index: number;
  /** Dotted path of the module, as PyTorch's `named_modules` gives it. */
  readonly path: string;
  /** PyTorch class name. */
  readonly class: string;
  /** Shape of the activation. */
  readonly shape: Shape;
  readonly weight: number;
}

/** What a loss computes from two lists of features. */
export interface Comparison {
  /** Scalar. */
  readonly loss: Tensor;
  /** Shape `[hooks]`, unweighted. */
  readonly hookLosses?: Tensor;
  readonly hooks: readonly Hook[];
}

/** Σ weight · loss over the hooks of some calls. @param losses one element each, in the order of the calls. */
export function weightedHooks(
  calls: readonly ModuleCall[],
  activations: readonly Tensor[],
  losses: readonly Tensor[],
  weights: readonly number[],
): Comparison {
  const hookLosses = concat(losses, 0);
  const factors = hookLosses.graph.constant(constantOf('float32', [weights.length], weights));
  return { loss: hookLosses.mul(factors).sum([0]), hookLosses, hooks: describeHooks(calls, activations, weights) };
}

/** Hooked calls as a caller sees them. */
export const describeHooks = (
  calls: readonly ModuleCall[],
  activations: readonly Tensor[],
  weights: readonly number[],
): Hook[] =>
  calls.map(({ path, class: className }, index) => ({
    index,
    path,
    class: className,
    shape: (activations[index] as Tensor).shape,
    weight: weights[index] as number,
  }));

/** What a loss sees of a training step. */
export interface Scene {
  /** The module that is trained. */
  readonly student: object;
  /** What the student was given. */
  readonly input: Tensor;
  /** What it made of it. */
  readonly output: Tensor;
  readonly target: Tensor;
  /** The student's module calls in execution order. */
  readonly calls: readonly ModuleCall[];
  readonly draws: Draws;
}

/** Anything a student can be trained with. */
export interface Objective {
  /** Type of the target for a student's output of the given type. */
  targetType(output: TensorType): TensorType;
  /** The loss, appended to the graph of the scene. */
  objective(scene: Scene, options?: StepOptions): Steps<Comparison>;
  /** Called with concrete images, to warn about unlikely values. */
  inspect?(name: string, data: Float32Array): void;
}

/** A step of a slow operation that has just begun. */
export interface Progress {
  readonly step: 'read' | 'parse' | 'specialize' | 'differentiate' | 'fold' | 'open';
}

/** Options of everything that may take longer than a moment. */
export interface StepOptions {
  /** Stops between two steps; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Options of what runs a loss. */
export interface CallOptions extends StepOptions {
  /** Values of the model's further inputs that `loadModel` left open, by name; a number fills the input. */
  readonly inputs?: Readonly<Record<string, InputValue>>;
}

/** Marks the beginning of a step: stops if the caller has aborted, and reports progress. */
export function begin(step: Progress['step'], { signal, onProgress }: StepOptions): void {
  signal?.throwIfAborted();
  onProgress?.({ step });
}
