/** Several losses as one: a perceptual term beside a pixel term, say. */
import { concat, constantOf, GlobalPercError, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import type { Steps } from '../runtime/index.js';
import type { Draws } from '../transforms/index.js';
import { Loss, type LossOptions } from './loss.js';
import type { Comparison, Hook, Objective, Scene, StepOptions } from './objective.js';

/** A loss and its factor. */
export type Term = readonly [loss: Objective, weight: number];

/**
 * Σ weight · loss. Its hooks are those of its terms, their weights multiplied by the term's; a term without hooks counts
 * as one, under its class name. Terms that need the student's activations (TeacherStudentLoss) work in a Trainer only.
 *
 * @example new WeightedLoss([[new nn.L1Loss(), 1], [new GlobalPercLoss(teacher, config), 0.1]])
 */
export class WeightedLoss extends Loss {
  readonly terms: readonly Term[];
  /** How many features each term makes of an image. */
  private counts: readonly number[] = [];

  /** @throws GlobalPercError without terms, or on a weight that is not finite. */
  constructor(terms: readonly Term[], options: LossOptions = {}) {
    super(options);
    if (terms.length === 0) throw new GlobalPercError('WeightedLoss needs at least one [loss, weight]');
    const bad = terms.find(([, weight]) => !Number.isFinite(weight));
    if (bad) throw new GlobalPercError(`WeightedLoss: a weight should be a finite number, got ${bad[1]}`);
    this.terms = terms;
  }

  override get encodable(): boolean {
    return this.terms.every(([loss]) => !(loss instanceof Loss) || loss.encodable);
  }

  override targetType(output: TensorType): TensorType {
    return (this.terms[0] as Term)[0].targetType(output);
  }

  override inspect(name: string, data: Float32Array): void {
    for (const [loss] of this.terms) loss.inspect?.(name, data);
  }

  override *prepare(shape: Shape, options: StepOptions): Steps<void> {
    for (const loss of this.losses()) yield* loss.prepare(shape, options);
  }

  override *features(image: Tensor, draws: Draws, options: StepOptions): Steps<Tensor[]> {
    const features: Tensor[][] = [];
    for (const loss of this.losses()) features.push(yield* loss.features(image, draws, options));
    this.counts = features.map((list) => list.length);
    return features.flat();
  }

  override compare(prediction: readonly Tensor[], target: readonly Tensor[]): Comparison {
    let start = 0;
    return this.combine(
      this.losses().map((loss, i) => {
        const end = start + (this.counts[i] as number);
        const comparison = loss.compare(prediction.slice(start, end), target.slice(start, end));
        start = end;
        return comparison;
      }),
    );
  }

  override *objective(scene: Scene, options: StepOptions = {}): Steps<Comparison> {
    const comparisons: Comparison[] = [];
    for (const [loss] of this.terms) comparisons.push(yield* loss.objective(scene, options));
    return this.combine(comparisons);
  }

  /** The terms as losses of two images. @throws GlobalPercError when one is not. */
  private losses(): Loss[] {
    return this.terms.map(([loss]) => {
      if (loss instanceof Loss) return loss;
      throw new GlobalPercError(`${loss.constructor.name} compares activations of a student: use it in a Trainer`);
    });
  }

  private combine(comparisons: readonly Comparison[]): Comparison {
    const parts = comparisons.map((comparison, i) => withHooks(comparison, this.terms[i] as Term));
    const losses = concat(
      comparisons.map(({ loss }) => loss.reshape([1])),
      0,
    );
    const weights = losses.graph.constant(
      constantOf(
        'float32',
        [this.terms.length],
        this.terms.map(([, weight]) => weight),
      ),
    );
    return {
      loss: losses.mul(weights).sum(),
      hookLosses: concat(
        parts.map(({ hookLosses }) => hookLosses),
        0,
      ),
      hooks: parts.flatMap(({ hooks }) => hooks).map((hook, index) => ({ ...hook, index })),
    };
  }
}

/** The hooks of a term by their part in the whole. */
function withHooks(
  { loss, hookLosses, hooks }: Comparison,
  [term, weight]: Term,
): { hookLosses: Tensor; hooks: Hook[] } {
  if (hookLosses && hooks.length > 0) {
    return { hookLosses, hooks: hooks.map((hook) => ({ ...hook, weight: hook.weight * weight })) };
  }
  const whole: Hook = { index: 0, path: '', class: term.constructor.name, shape: [], weight };
  return { hookLosses: loss.reshape([1]), hooks: [whole] };
}
