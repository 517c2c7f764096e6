/**
 * The training step as one graph: student, loss, gradient through both, optimiser. What it carries from step to step is
 * input and output of the graph.
 */
import { gradient } from '../autodiff/index.js';
import { begin, type Draft, type StepOptions } from '../compile/index.js';
import { GlobalPercError, type Graph, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import {
  addSamples,
  type Comparison,
  descriptionOf,
  type Hook,
  type LossDescription,
  lossIn,
  maskShape,
  type Objective,
  openInputsOn,
  type Scene,
} from '../loss/index.js';
import { type AnyModule, type Outputs, Parameter, Trace } from '../nn/index.js';
import { createGraph } from '../ops/index.js';
import { clipGradNorm, clipGradValue, totalNorm } from '../optim/clip.js';
import type { Optimizer } from '../optim/index.js';
import { fuseAttention } from '../passes/index.js';
import type { HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import { Draws } from '../transforms/index.js';
import type { StudentInputs } from './inputs.js';
import { feedRandomness } from './random.js';
import {
  accumulatorName,
  averageName,
  Carried,
  MICRO_STEP,
  optimizerName,
  STEP,
  type StudentWeights,
  weightName,
} from './state.js';

/** What a step is built from. */
export interface Recipe {
  readonly student: AnyModule;
  readonly loss: Objective;
  readonly optimizer: Optimizer;
  readonly inputs: StudentInputs;
  /** Shapes of open inputs of the loss that their files leave open. */
  readonly lossInputs: Readonly<Record<string, Shape>>;
  readonly weights: StudentWeights;
  readonly target: TensorType | undefined;
  readonly mask: boolean;
  readonly clipGradNorm: number | undefined;
  readonly clipGradValue: number | undefined;
  readonly accumulate: number;
  readonly ema: number | undefined;
  readonly session: SessionOptions;
}

/** What must be known to run a program of a trainer. */
export interface StepDetails {
  readonly hooks: readonly Hook[];
  /** Type of the target; absent where nothing reads one. */
  readonly target?: TensorType;
  /** Shape of the student's output. */
  readonly output: Shape;
  readonly draws: ReturnType<typeof feedRandomness>;
  /** Names of the carried tensors it reads. */
  readonly reads: readonly string[];
  /** Outputs by the carried tensor they replace. */
  readonly replaces: ReadonlyMap<string, string>;
}

/** The student traced on a fresh graph, its weights being inputs. */
interface Stage {
  readonly graph: Graph;
  readonly carried: Carried;
  readonly trace: Trace;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The first of the outputs. */
  readonly output: Tensor;
  /** Those that train, by path. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

type Staged = Pick<Recipe, 'student' | 'weights' | 'inputs'>;

/** @throws GlobalPercError where an imported student was not prepared for inputs of these shapes. */
function stage({ student, weights: bound, inputs: types }: Staged, training: boolean): Stage {
  const graph = createGraph();
  const carried = new Carried(graph);
  const inputs = types.declare(graph);
  const weights = new Map<string, Tensor>();
  const bind = bound.bind(carried, training, (path, held, tensor) => {
    if (held instanceof Parameter) weights.set(path, tensor);
  });
  const trace = new Trace(graph, student, bind);
  const forward = (): Outputs => student(...inputs);
  const outputs = [training ? forward() : student.whileEvaluating(forward)].flat();
  return { graph, carried, trace, inputs, outputs, output: outputs[0] as Tensor, weights };
}

/** The student alone, in evaluation mode. Output: `output`. */
export function draftPrediction(staged: Staged): Draft<StepDetails> {
  const { graph, output, ...rest } = stage(staged, false);
  graph.output('output', output);
  return drafted({ graph, output, ...rest }, { hooks: [] });
}

/** Student and loss in evaluation mode. Outputs: `loss`, `hook_losses`, and those of `addSamples`. */
export function* draftEvaluation(recipe: Recipe, options: StepOptions): Steps<Draft<StepDetails>> {
  const staged = stage(recipe, false);
  const { target, comparison } = yield* addLoss(staged, recipe, options);
  addSamples(staged.graph, comparison);
  return drafted(staged, comparison, target);
}

/** The whole step, and what the carried tensors start with. */
export interface StepDraft extends Draft<StepDetails> {
  readonly initial: ReadonlyMap<string, HostTensor>;
}

/** The whole step. Outputs: `loss`, `hook_losses`, `grad_norm`, `lr`, and what the carried tensors become. */
export function* draftStep(recipe: Recipe, options: StepOptions): Steps<StepDraft> {
  requireShapes(descriptionOf(recipe.loss), recipe);
  const staged = stage(recipe, true);
  const { target, comparison, loss } = yield* addLoss(staged, recipe, options);
  begin('differentiate', options);
  fuseAttention(staged.graph);
  addUpdate(staged, loss, recipe);
  return { ...drafted(staged, comparison, target), initial: staged.carried.initial() };
}

/** @throws GlobalPercError for an input of the loss whose shape a call would tell: the step is compiled before any. */
function requireShapes({ openInputs = [] }: LossDescription, { lossInputs }: Recipe): void {
  const unknown = openInputs.find(({ name, needed, type }) => needed && type === undefined && !(name in lossInputs));
  if (unknown === undefined) return;
  throw new GlobalPercError(
    `Trainer: the input '${unknown.name}' of the loss's model is open, and its file leaves its shape open too, which a compiled step ` +
      `has to know: tell its shape, { lossInputs: { ${unknown.name}: […] } }, give it a value, loadModel(source, { inputs: { ${unknown.name}: … } }), ` +
      'or export the model with fixed sizes for it',
    { code: 'invalid-option' },
  );
}

function drafted(
  { graph, carried, output: { shape: output } }: Stage,
  { hooks }: Pick<Comparison, 'hooks'>,
  target?: TensorType,
): Draft<StepDetails> {
  const replaces = carried.finish();
  const draws = feedRandomness(graph);
  const details = { hooks, ...(target && { target }), output, draws, reads: [...carried.initial().keys()], replaces };
  return { graph, details, stay: [...replaces.values()], held: true };
}

interface Judged {
  /** Type of the target; undefined where the loss reads none. */
  readonly target: TensorType | undefined;
  readonly comparison: Comparison;
  /** Scalar. */
  readonly loss: Tensor;
}

/** @throws GlobalPercError when the loss cannot compare the student's output with a target. */
function* addLoss(
  staged: Stage,
  { student, loss, inputs: types, lossInputs, target: wanted, mask: masked, session }: Recipe,
  options: StepOptions,
): Steps<Judged> {
  const { graph, trace, inputs, outputs, output } = staged;
  const description = descriptionOf(loss);
  const context = { session, options };
  yield* description.prepare?.(output.shape, context) ?? [];
  const type = wanted ?? description.targetType?.(typeOf(output)) ?? typeOf(output);
  let target: Tensor | undefined;
  const scene: Scene = {
    ...context,
    ...openInputsOn(graph, description, context, lossInputs),
    output,
    // Declared where it is read: some losses need none.
    get target() {
      target ??= graph.input('target', type.dtype, type.shape);
      return target;
    },
    targetShape: type.shape,
    student: {
      module: student,
      input: inputs[0] as Tensor,
      inputs: new Map(Array.from(types.types.keys(), (name, i) => [name, inputs[i] as Tensor])),
      outputs,
      calls: trace.calls,
    },
    draws: new Draws(),
    ...(masked && { mask: graph.input('mask', 'float32', maskShape(output.shape)) }),
  };
  const comparison = yield* judged(description, scene, types);
  const scalar = comparison.loss.reshape([]);
  graph.output('loss', scalar);
  if (comparison.hookLosses) graph.output('hook_losses', comparison.hookLosses);
  return { target: target && type, comparison, loss: scalar };
}

/** The loss of the student's output. @throws GlobalPercError of the loss, with that output: it may be what is wrong. */
function* judged(description: LossDescription, scene: Scene, inputs: StudentInputs): Steps<Comparison> {
  try {
    return yield* lossIn(description, scene);
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    const message = `${madeOf(inputs, scene.output.shape)}; ${error.message}`;
    throw new GlobalPercError(message, { code: error.code, cause: error });
  }
}

/** How messages say what a student does to shapes. */
export const madeOf = ({ description }: StudentInputs, output: Shape): string =>
  `the student makes [${output}] of ${description}`;

/** Gradient, clipping, optimiser, averages; and what all carried tensors become. */
function addUpdate({ graph, carried, trace, weights }: Stage, loss: Tensor, recipe: Recipe): void {
  const paths = [...weights.keys()];
  if (paths.length === 0)
    throw new GlobalPercError(
      'the student has no parameter to train: all are frozen, or it has none; call student.trainable()',
      {
        code: 'invalid-option',
      },
    );
  recipe.optimizer.checkGroups(paths);
  const tensors = [...weights.values()];
  const accumulation = accumulate(carried, paths, gradient(loss, tensors), recipe.accumulate);

  const norm = totalNorm(accumulation.gradients);
  let clipped: readonly Tensor[] = accumulation.gradients;
  if (recipe.clipGradNorm !== undefined) clipped = clipGradNorm(clipped, norm, recipe.clipGradNorm);
  if (recipe.clipGradValue !== undefined) clipped = clipGradValue(clipped, recipe.clipGradValue);

  const taken = carried.addCounter(STEP);
  carried.set(STEP, taken.add(1));
  const before = taken.cast('float64');
  optimize(carried, recipe.optimizer, before, paths, tensors, clipped);
  if (recipe.ema !== undefined) average(carried, recipe.ema, taken, paths, tensors);
  if (accumulation.apply) carried.onlyWhere(accumulation.apply);
  accumulation.finish();
  for (const [buffer, value] of trace.updates) carried.set(weightName(trace.pathOf(buffer)), value);

  graph.output('grad_norm', norm);
  graph.output('lr', recipe.optimizer.schedule.rate(recipe.optimizer.options.lr, before).cast('float32'));
}

function optimize(
  carried: Carried,
  optimizer: Optimizer,
  before: Tensor,
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
    const chosen = optimizer.optionsFor(path, before);
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

/** ē ← d·ē + (1 − d)·θ, and θ itself at the first step (torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn). */
function average(
  carried: Carried,
  decay: number,
  taken: Tensor,
  paths: readonly string[],
  parameters: readonly Tensor[],
): void {
  const kept = taken.equal(0).where(taken.graph.scalar(0, 'float32'), decay);
  for (const [i, path] of paths.entries()) {
    const name = averageName(path);
    const former = carried.addZeros(name, (parameters[i] as Tensor).shape);
    carried.set(name, former.mul(kept).add(carried.next(weightName(path)).mul(kept.subtractFrom(1))));
  }
}

const typeOf = ({ dtype, shape }: Tensor): TensorType => ({ dtype, shape });
