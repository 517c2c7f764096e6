/** The sum of several losses. */
import { concat, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import {
  type Comparison,
  descriptionOf,
  type Features,
  type Hook,
  type LossDescription,
  type Objective,
  type OpenInput,
  type RunContext,
  type Scene,
} from './description.js';
import { weightedSum } from './parts.js';

/** A loss and its factor. */
export type Term = readonly [loss: Objective, weight: number];

/** Reads what every term reads, one after the other. */
export class SumDescription implements LossDescription<readonly Features[]> {
  private readonly terms: readonly Term[];

  constructor(terms: readonly Term[]) {
    this.terms = terms;
  }

  private get parts(): readonly LossDescription[] {
    return this.terms.map(([loss]) => descriptionOf(loss));
  }

  get openInputs(): readonly OpenInput[] {
    return this.parts.flatMap(({ openInputs }) => openInputs ?? []);
  }

  get files(): readonly string[] {
    return this.parts.flatMap(({ files }) => files ?? []);
  }

  async load(): Promise<void> {
    await Promise.all(this.parts.map((part) => part.load?.()));
  }

  *prediction(scene: Scene): Steps<readonly Features[]> {
    const features: Features[] = [];
    for (const part of this.parts) features.push(yield* part.prediction(scene));
    return features;
  }

  *target(scene: Scene): Steps<readonly Features[]> {
    const features: Features[] = [];
    for (const part of this.parts) features.push(yield* part.target(scene));
    return features;
  }

  targetType(output: TensorType): TensorType {
    return this.parts[0]?.targetType?.(output) ?? output;
  }

  *prepare(shape: Shape, context: RunContext): Steps<void> {
    for (const part of this.parts) yield* part.prepare?.(shape, context) ?? [];
  }

  requireTarget(target: HostTensor, output: Shape): void {
    for (const part of this.parts) part.requireTarget?.(target, output);
  }

  inspect(name: string, image: HostTensor): void {
    for (const part of this.parts) part.inspect?.(name, image);
  }

  compare(prediction: readonly Features[], target: readonly Features[], scene: Scene): Comparison {
    const comparisons = this.parts.map((part, i) =>
      part.compare(prediction[i] as Features, target[i] as Features, scene),
    );
    const losses = concat(
      comparisons.map(({ loss }) => loss.reshape([1])),
      0,
    );
    const weights = this.terms.map(([, weight]) => weight);
    const parts = comparisons.map((comparison, i) => withHooks(comparison, this.terms[i] as Term));
    return {
      loss: weightedSum(losses, weights, 0),
      hookLosses: concat(
        parts.map(({ hookLosses }) => hookLosses),
        0,
      ),
      hooks: parts.flatMap(({ hooks }) => hooks).map((hook, index) => ({ ...hook, index })),
      summands: comparisons.flatMap(({ summands }, i) =>
        summands.map(({ weight, part }) => ({ weight: weight * (weights[i] as number), part })),
      ),
    };
  }
}

/** The hooks of a term by their part in the whole. */
function withHooks(
  { loss, hookLosses, hooks }: Comparison,
  [term, weight]: Term,
): { hookLosses: Tensor; hooks: readonly Hook[] } {
  if (hookLosses && hooks.length > 0) {
    return { hookLosses, hooks: hooks.map((hook) => ({ ...hook, weight: hook.weight * weight })) };
  }
  const whole: Hook = { index: 0, path: '', class: term.constructor.name, shape: [], weight };
  return { hookLosses: loss.reshape([1]), hooks: [whole] };
}
