/** The sum of several losses. */
import { concat, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import { type AnyModule, ModuleDict } from '../nn/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import { BALANCES, type Balance, type Balancing } from './balance.js';
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

/** How a term is named in what is logged. */
const nameOf = ([loss]: Term, i: number): string => `${i} ${loss.constructor.name}`;

/** Reads what every term reads, one after the other. */
export class SumDescription implements LossDescription<readonly Features[]> {
  private readonly terms: readonly Term[];
  private readonly balancing: Balancing | undefined;

  constructor(terms: readonly Term[], balance: Balance = 'fixed') {
    this.terms = terms;
    this.balancing = balance === 'fixed' ? undefined : BALANCES[balance](terms.length);
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

  /** Those of its terms, by their place, and `balance`. */
  *owned(scene: Scene): Steps<AnyModule | undefined> {
    const found: [string, AnyModule][] = [];
    for (const [i, part] of this.parts.entries()) {
      const module = part.owned && (yield* part.owned(scene));
      if (module) found.push([String(i), module]);
    }
    if (this.balancing?.owned) found.push(['balance', this.balancing.owned]);
    return found.length > 0 ? new ModuleDict<AnyModule>(Object.fromEntries(found)) : undefined;
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

  /** The loss, and the weights it has in a step where those are not fixed. Evaluated, it has the fixed ones, so that its values compare over a run. */
  private summed(losses: readonly Tensor[], { student }: Scene): Pick<Comparison, 'loss' | 'logged'> {
    const weights = this.terms.map(([, weight]) => weight);
    const balanced = student?.training ? this.balancing?.factors(losses, student) : undefined;
    if (!balanced) {
      const stacked = losses.map((loss) => loss.reshape([1]));
      return { loss: weightedSum(concat(stacked, 0), weights, 0) };
    }
    const found = balanced.factors.map((factor, i) => factor.mul(weights[i] as number));
    const sum = losses.map((loss, i) => loss.mul(found[i] as Tensor)).reduce((total, term) => total.add(term));
    const logged = Object.fromEntries(
      this.terms.map((term, i) => [`weight/${nameOf(term, i)}`, found[i] as Tensor] as const),
    );
    return { loss: balanced.added ? sum.add(balanced.added) : sum, logged };
  }

  compare(prediction: readonly Features[], target: readonly Features[], scene: Scene): Comparison {
    const comparisons = this.parts.map((part, i) =>
      part.compare(prediction[i] as Features, target[i] as Features, scene),
    );
    const losses = comparisons.map(({ loss }) => loss.reshape([]));
    const weights = this.terms.map(([, weight]) => weight);
    const parts = comparisons.map((comparison, i) => withHooks(comparison, this.terms[i] as Term));
    const { loss, logged } = this.summed(losses, scene);
    return {
      loss,
      logged: { ...loggedBy(comparisons, this.terms), ...logged },
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

/** What the terms report, by term. */
const loggedBy = (comparisons: readonly Comparison[], terms: readonly Term[]): Record<string, Tensor> =>
  Object.fromEntries(
    comparisons.flatMap(({ logged = {} }, i) =>
      Object.entries(logged).map(([name, tensor]) => [`${nameOf(terms[i] as Term, i)}/${name}`, tensor]),
    ),
  );

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
