/** How a training step changes what it carries: gradients, their limits and means, optimisers, averages of the weights. */
import { gradient } from '../autodiff/index.js';
import { GlobalPercError, type Graph, Tensor } from '../graph/index.js';
import { clipGradNorm, clipGradValue, totalNorm } from '../optim/clip.js';
import type { Optimizer } from '../optim/index.js';
import {
  accumulatorName,
  averageName,
  type Carried,
  MICRO_STEP,
  OWNED,
  optimizerName,
  REDUCTIONS,
  STEP,
  weightName,
} from './state.js';

/** A child of what the objective owns that trains against the student, by the loss's `adversary`. */
export interface Adversary {
  /** Its name among the children. */
  readonly name: string;
  readonly optimizer: Optimizer;
}

/** What a step does with gradients. */
export interface UpdateRules {
  readonly optimizer: Optimizer;
  readonly adversary: Adversary | undefined;
  readonly clipGradNorm: number | undefined;
  readonly clipGradValue: number | undefined;
  readonly accumulate: number;
  readonly ema: number | undefined;
}

/** What is changed. */
interface Updated {
  readonly graph: Graph;
  readonly carried: Carried;
  /** What trains, by path. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** Scalars. */
interface Losses {
  readonly loss: Tensor;
  readonly adversary: Tensor | undefined;
}

/** Prefix of the outputs that a step reports beside the loss. */
export const LOGGED = 'logged:';

/** Weights that one optimiser moves down the gradient of one loss. */
interface Side {
  readonly loss: Tensor;
  readonly optimizer: Optimizer;
  readonly paths: readonly string[];
}

/** The student with what the objective owns, or that against it. @throws GlobalPercError where nothing trains. */
function sidesOf(paths: readonly string[], losses: Losses, { optimizer, adversary }: UpdateRules): Side[] {
  const isAdversary = (path: string): boolean =>
    adversary !== undefined && path.startsWith(`${OWNED}${adversary.name}.`);
  const sides = [{ loss: losses.loss, optimizer, paths: paths.filter((path) => !isAdversary(path)) }];
  if (adversary && losses.adversary)
    sides.push({ loss: losses.adversary, optimizer: adversary.optimizer, paths: paths.filter(isAdversary) });
  for (const [i, side] of sides.entries()) {
    if (side.paths.length === 0)
      throw new GlobalPercError(
        `the ${i === 0 ? 'student' : adversary?.name} has no parameter to train: all are frozen, or it has none; call trainable() of it`,
        { code: 'invalid-option' },
      );
    side.optimizer.checkGroups(side.paths);
  }
  return sides;
}

/** Gradient, clipping, optimiser, averages; and what all carried tensors become. */
export function addUpdate({ graph, carried, weights }: Updated, losses: Losses, rules: UpdateRules): void {
  const sides = sidesOf([...weights.keys()], losses, rules);
  const tensorsOf = ({ paths }: Side): Tensor[] => paths.map((path) => weights.get(path) as Tensor);
  const paths = sides.flatMap((side) => side.paths);
  const gradients = sides.flatMap((side) => gradient(side.loss, tensorsOf(side)));
  const accumulation = accumulate(carried, paths, gradients, rules.accumulate);
  const gradientOf = new Map(paths.map((path, i) => [path, accumulation.gradients[i] as Tensor]));

  const taken = carried.addCounter(STEP);
  carried.set(STEP, taken.add(1));
  const before = taken.cast('float64');
  const moment = ({ schedule }: Optimizer): Tensor => (schedule.next ? reductionsIn(graph) : before);
  for (const [i, side] of sides.entries()) {
    const own = side.paths.map((path) => gradientOf.get(path) as Tensor);
    const norm = totalNorm(own);
    optimize(
      carried,
      side.optimizer,
      [before, moment(side.optimizer)],
      side.paths,
      tensorsOf(side),
      clipped(own, norm, rules),
    );
    graph.output(i === 0 ? 'grad_norm' : `${LOGGED}adversaryGradNorm`, norm);
  }
  if (rules.ema !== undefined) average(carried, rules.ema, taken, paths, weights);
  if (accumulation.apply) carried.onlyWhere(accumulation.apply);
  accumulation.finish();
  graph.output(
    'lr',
    rules.optimizer.schedule.rate(rules.optimizer.options.lr, moment(rules.optimizer)).cast('float32'),
  );
}

/** Reductions of a rate that a metric moves, which every step is given; float64 scalar. */
function reductionsIn(graph: Graph): Tensor {
  const known = graph.inputs.find(({ name }) => name === REDUCTIONS);
  return (known ? new Tensor(graph, known) : graph.input(REDUCTIONS, 'int64', [])).cast('float64');
}

/** Gradients within the limits of a rules. @param norm of all of them together. */
function clipped(gradients: readonly Tensor[], norm: Tensor, limits: UpdateRules): readonly Tensor[] {
  const { clipGradNorm: most, clipGradValue: each } = limits;
  const limited = most === undefined ? gradients : clipGradNorm(gradients, norm, most);
  return each === undefined ? limited : clipGradValue(limited, each);
}

function optimize(
  carried: Carried,
  optimizer: Optimizer,
  [before, moment]: readonly [before: Tensor, moment: Tensor],
  paths: readonly string[],
  parameters: readonly Tensor[],
  gradients: readonly Tensor[],
): void {
  const step = before.add(1);
  for (const [i, path] of paths.entries()) {
    const parameter = parameters[i] as Tensor;
    const kept = Object.entries(optimizer.stateShapes(parameter.shape));
    const state = Object.fromEntries(
      kept.map(([kind, shape]) => [kind, carried.addZeros(optimizerName(kind, path), shape)]),
    );
    const chosen = optimizer.optionsFor(path, moment);
    const updated = optimizer.update({ parameter, gradient: gradients[i] as Tensor, state, step, ...chosen });
    carried.set(weightName(path), updated.parameter);
    for (const [kind] of kept) carried.set(optimizerName(kind, path), updated.state[kind] as Tensor);
  }
}

interface Accumulation {
  readonly gradients: readonly Tensor[];
  /** Whether the optimiser acts in this step; absent when it always does. */
  readonly apply?: Tensor;
  /** Sets what the sums become. */
  finish(): void;
}

/** The mean gradient over some steps: the optimiser acts in the last of them. */
function accumulate(
  carried: Carried,
  paths: readonly string[],
  gradients: readonly Tensor[],
  count: number,
): Accumulation {
  if (count === 1) return { gradients, finish: () => undefined };
  const micro = carried.addCounter(MICRO_STEP);
  const sums = paths.map((path, i) => {
    const share = (gradients[i] as Tensor).mul(1 / count);
    return carried.addZeros(accumulatorName(path), share.shape).add(share);
  });
  const apply = micro.equal(count - 1);
  const finish = (): void => {
    carried.set(MICRO_STEP, apply.where(0, micro.add(1)));
    for (const [i, path] of paths.entries()) carried.set(accumulatorName(path), apply.where(0, sums[i] as Tensor));
  };
  return { gradients: sums, apply, finish };
}

/** Of the student's weights: ē ← d·ē + (1 − d)·θ, and θ itself at the first step (torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn). */
function average(
  carried: Carried,
  decay: number,
  taken: Tensor,
  paths: readonly string[],
  weights: ReadonlyMap<string, Tensor>,
): void {
  const kept = taken.equal(0).where(taken.graph.scalar(0, 'float32'), decay);
  for (const path of paths) {
    if (path.startsWith(OWNED)) continue;
    const name = averageName(path);
    const former = carried.addZeros(name, (weights.get(path) as Tensor).shape);
    carried.set(name, former.mul(kept).add(carried.next(weightName(path)).mul(kept.subtractFrom(1))));
  }
}
