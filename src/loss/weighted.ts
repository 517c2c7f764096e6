/** Several losses as one: a perceptual term beside a pixel term, say. */
import { concat, GlobalPercError, kindOf, type Shape, type Tensor, type TensorType } from '../graph/index.js';
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
import { Loss, type LossOptions } from './loss.js';
import { weightedSum } from './parts.js';

/** A loss and its factor. */
export type Term = readonly [loss: Objective, weight: number];

/**
 * Σ weight · loss. Its hooks are those of its terms, their weights multiplied by the term's; a term without hooks counts
 * as one, under its class name. The first term says what type the target has. Terms that need the student's activations
 * (TeacherStudentLoss) work in a Trainer only. Disposing it leaves its terms as they are.
 *
 * @example new nn.WeightedLoss([[new nn.L1Loss(), 1], [new GlobalPercLoss(teacher, config), 0.1]])
 */
export class WeightedLoss extends Loss {
  readonly terms: readonly Term[];
  readonly description: LossDescription;

  /** @throws GlobalPercError without terms, or on one that is not a loss and a finite number. */
  constructor(terms: readonly Term[], options: LossOptions = {}) {
    super(options);
    requireTerms(terms);
    this.terms = terms;
    this.description = new Sum(terms);
  }
}

function requireTerms(terms: unknown): void {
  if (!Array.isArray(terms) || terms.length === 0) {
    throw new GlobalPercError('WeightedLoss needs at least one [loss, weight]', { code: 'invalid-option' });
  }
  for (const term of terms) {
    const [loss, weight] = Array.isArray(term) ? term : [];
    if ((loss as Partial<Objective> | undefined)?.description === undefined) {
      throw new GlobalPercError(
        `WeightedLoss: a term should be [loss, weight], got ${kindOf(loss ?? term)} for the loss`,
        {
          code: 'invalid-option',
        },
      );
    }
    if (!Number.isFinite(weight)) {
      throw new GlobalPercError(`WeightedLoss: a weight should be a finite number, got ${weight}`, {
        code: 'invalid-option',
      });
    }
  }
}

/** Reads what every term reads, one after the other. */
class Sum implements LossDescription<readonly Features[]> {
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
