/**
 * The training step as one graph: student, loss, gradient through both, optimiser. What it carries from step to step is
 * input and output of the graph.
 */
import { gradient } from '../autodiff/index.js';
import {
  type DataType,
  GlobalPercError,
  type Graph,
  type Shape,
  type Tensor,
  type TensorType,
} from '../graph/index.js';
import { begin, type Hook, type Objective, type StepOptions } from '../loss/index.js';
import { type AnyModule, type Bind, Parameter, Trace } from '../nn/index.js';
import { createGraph, requiredOpset } from '../ops/index.js';
import { clipGradNorm, clipGradValue, totalNorm } from '../optim/clip.js';
import type { Optimizer } from '../optim/index.js';
import { fold, simplify } from '../passes/index.js';
import { type HostTensor, runSteps, Session, type SessionOptions } from '../runtime/index.js';
import { Draws } from '../transforms/index.js';
import { feedRandomness } from './random.js';
import {
  accumulatorName,
  averageName,
  Carried,
  hostTensor,
  MICRO_STEP,
  optimizerName,
  STEP,
  weightName,
} from './state.js';

/** What a step is built from. */
export interface Recipe {
  readonly student: AnyModule;
  readonly loss: Objective;
  readonly optimizer: Optimizer;
  readonly batch: Shape;
  readonly dtype: DataType;
  readonly target: TensorType | undefined;
  readonly clipGradNorm: number | undefined;
  readonly clipGradValue: number | undefined;
  readonly accumulate: number;
  readonly ema: number | undefined;
  readonly session: SessionOptions;
}

/** A program, ready to run. */
export interface Program {
  readonly session: Session;
  readonly hooks: readonly Hook[];
  readonly target: TensorType;
  readonly draws: ReturnType<typeof feedRandomness>;
  /** Names of the carried tensors it reads. */
  readonly reads: readonly string[];
  /** Outputs by the carried tensor they replace. */
  readonly replaces: ReadonlyMap<string, string>;
}

/** The student traced on a fresh graph, its weights being inputs. */
interface Scenery {
  readonly graph: Graph;
  readonly carried: Carried;
  readonly trace: Trace;
  readonly input: Tensor;
  readonly output: Tensor;
  readonly weights: ReadonlyMap<string, { readonly parameter: Parameter; readonly tensor: Tensor }>;
}

async function stage(student: AnyModule, input: TensorType, training: boolean): Promise<Scenery> {
  await student.prepare(input.shape);
  const graph = createGraph();
  const carried = new Carried(graph);
  const image = graph.input('input', input.dtype, input.shape);
  const weights = new Map<string, { parameter: Parameter; tensor: Tensor }>();
  const bind: Bind = (path, held) => {
    const tensor = carried.add(weightName(path), hostTensor(held));
    if (held instanceof Parameter) weights.set(path, { parameter: held, tensor });
    return tensor;
  };
  const trace = new Trace(graph, student, bind);
  const forward = (): Tensor => [student(image)].flat()[0] as Tensor;
  const output = training ? forward() : student.whileEvaluating(forward);
  return { graph, carried, trace, input: image, output, weights };
}

/** The student alone, in evaluation mode. */
export async function openPrediction(student: AnyModule, input: TensorType, session: SessionOptions): Promise<Program> {
  const { graph, carried, output } = await stage(student, input, false);
  graph.output('output', output);
  return open(graph, carried, { hooks: [], target: typeOf(output) }, session, {});
}

/** Student and loss in evaluation mode. */
export async function openEvaluation(recipe: Recipe, options: StepOptions): Promise<Program> {
  const scenery = await stage(recipe.student, { dtype: recipe.dtype, shape: recipe.batch }, false);
  const described = await addLoss(scenery, recipe, options);
  return open(scenery.graph, scenery.carried, described, recipe.session, options);
}

/** The whole step. Outputs: loss, hook_losses, grad_norm, lr. @returns the program and what it starts with. */
export async function openStep(
  recipe: Recipe,
  options: StepOptions,
): Promise<{ program: Program; initial: Map<string, HostTensor> }> {
  const scenery = await stage(recipe.student, { dtype: recipe.dtype, shape: recipe.batch }, true);
  const described = await addLoss(scenery, recipe, options);
  begin('differentiate', options);
  addUpdate(scenery, described.loss, recipe);
  const program = await open(scenery.graph, scenery.carried, described, recipe.session, options);
  return { program, initial: scenery.carried.initial() };
}

interface Described {
  readonly hooks: readonly Hook[];
  readonly target: TensorType;
}

async function addLoss(
  { graph, trace, input, output }: Scenery,
  { student, loss, target: wanted }: Recipe,
  options: StepOptions,
): Promise<Described & { readonly loss: Tensor }> {
  const type = wanted ?? loss.targetType(typeOf(output));
  const target = graph.input('target', type.dtype, type.shape);
  const scene = { student, input, output, target, calls: trace.calls, draws: new Draws() };
  const { loss: value, hookLosses, hooks } = await runSteps(loss.objective(scene, options));
  const scalar = value.reshape([]);
  graph.output('loss', scalar);
  if (hookLosses) graph.output('hook_losses', hookLosses);
  return { hooks, target: type, loss: scalar };
}

/** Gradient, clipping, optimiser, averages; and what all carried tensors become. */
function addUpdate({ graph, carried, trace, weights }: Scenery, loss: Tensor, recipe: Recipe): void {
  const trained = [...weights].filter(([, { parameter }]) => parameter.requiresGrad);
  const paths = trained.map(([path]) => path);
  if (paths.length === 0)
    throw new GlobalPercError('the student has no parameter to train: all are frozen, or it has none');
  recipe.optimizer.checkGroups(paths);
  const tensors = trained.map(([, { tensor }]) => tensor);
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
    const names = optimizer.stateNames.map((kind) => [kind, optimizerName(kind, path)] as const);
    const state = Object.fromEntries(names.map(([kind, name]) => [kind, carried.addZeros(name, parameter.shape)]));
    const chosen = optimizer.optionsFor(path, before);
    const updated = optimizer.update({ parameter, gradient: gradients[i] as Tensor, state, step, ...chosen });
    carried.set(weightName(path), updated.parameter);
    for (const [kind, name] of names) carried.set(name, updated.state[kind] as Tensor);
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

async function open(
  draft: Graph,
  carried: Carried,
  described: Described,
  options: SessionOptions,
  step: StepOptions,
): Promise<Program> {
  const replaces = carried.finish();
  begin('fold', step);
  const graph = simplify(draft);
  const draws = feedRandomness(graph);
  await runSteps(fold(graph, options));
  begin('open', step);
  const session = await runSteps(Session.open(graph, requiredOpset(graph), options));
  return { ...described, session, draws, replaces, reads: [...carried.initial().keys()] };
}

const typeOf = ({ dtype, shape }: Tensor): TensorType => ({ dtype, shape });
