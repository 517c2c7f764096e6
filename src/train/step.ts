/**
 * The training step as one graph: student, loss, gradient through both, optimiser. What it carries from step to step is
 * input and output of the graph.
 */
import { begin, type Draft, type StepOptions } from '../compile/index.js';
import { GlobalPercError, type Graph, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import {
  addSamples,
  type Comparison,
  compared,
  descriptionOf,
  type Hook,
  type LossDescription,
  maskShape,
  type Objective,
  openInputsOn,
  type Scene,
} from '../loss/index.js';
import { type AnyModule, type Bind, type Outputs, Parameter, Trace } from '../nn/index.js';
import { createGraph } from '../ops/index.js';
import { fuseAttention } from '../passes/index.js';
import type { HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import { Draws } from '../transforms/index.js';
import type { StudentInputs } from './inputs.js';
import { feedRandomness } from './random.js';
import { Carried, OWNED, type TrainedWeights, weightName } from './state.js';
import { addUpdate, LOGGED, type UpdateRules } from './update.js';

/** What a step is built from. */
export interface Recipe extends UpdateRules {
  readonly student: AnyModule;
  readonly loss: Objective;
  readonly inputs: StudentInputs;
  /** Shapes of open inputs of the loss that their files leave open. */
  readonly lossInputs: Readonly<Record<string, Shape>>;
  readonly weights: TrainedWeights;
  readonly target: TensorType | undefined;
  readonly mask: boolean;
  readonly session: SessionOptions;
  /** Bytes. */
  readonly memory: number | undefined;
}

/** What must be known to run a program of a trainer. */
export interface StepDetails {
  readonly hooks: readonly Hook[];
  /** What a step reports beside the loss; the names of its outputs begin with `LOGGED`. */
  readonly logged: readonly string[];
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
  readonly training: boolean;
  readonly carried: Carried;
  readonly trace: Trace;
  /** Makes the tensors of weights and buffers. */
  readonly bind: Bind;
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
  return { graph, training, carried, trace, bind, inputs, outputs, output: outputs[0] as Tensor, weights };
}

/** The student alone, in evaluation mode. Output: `output`. */
export function draftPrediction(staged: Staged): Draft<StepDetails> {
  const { graph, output, ...rest } = stage(staged, false);
  graph.output('output', output);
  return { ...drafted({ graph, output, ...rest }, { hooks: [] }), gradients: [] };
}

/** Student and loss in evaluation mode. Outputs: `loss`, `hook_losses`, and those of `addSamples`. */
export function* draftEvaluation(recipe: Recipe, options: StepOptions): Steps<Draft<StepDetails>> {
  const staged = stage(recipe, false);
  const { target, comparison } = yield* addLoss(staged, recipe, options);
  addSamples(staged.graph, comparison);
  return { ...drafted(staged, comparison, target), gradients: [] };
}

/** The whole step, and what the carried tensors start with. */
export interface StepDraft extends Draft<StepDetails> {
  readonly initial: ReadonlyMap<string, HostTensor>;
}

/** The whole step. Outputs: `loss`, `hook_losses`, `grad_norm`, `lr`, and what the carried tensors become. */
export function* draftStep(recipe: Recipe, options: StepOptions): Steps<StepDraft> {
  requireShapes(descriptionOf(recipe.loss), recipe);
  const staged = stage(recipe, true);
  const judged = yield* addLoss(staged, recipe, options);
  const { target, comparison } = judged;
  begin('differentiate', options);
  fuseAttention(staged.graph);
  addUpdate(staged, { loss: judged.loss, adversary: comparison.adversary }, recipe);
  for (const [path, value] of updatesOf([staged.trace, judged.owned])) staged.carried.set(weightName(path), value);
  const draft = drafted(staged, comparison, target);
  const stay = [...draft.details.replaces.values()];
  return { ...draft, stay, held: true, initial: staged.carried.initial() };
}

/** What buffers of the student and of what the objective owns become, by path. */
const updatesOf = ([student, owned]: readonly [Trace, Trace | undefined]): [string, Tensor][] => [
  ...Array.from(student.updates, ([buffer, value]): [string, Tensor] => [student.pathOf(buffer), value]),
  ...Array.from(owned?.updates ?? [], ([buffer, value]): [string, Tensor] => [OWNED + owned?.pathOf(buffer), value]),
];

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
  const logged = graph.outputs.flatMap(({ name }) => (name.startsWith(LOGGED) ? [name.slice(LOGGED.length)] : []));
  const read = { output, draws, reads: [...carried.initial().keys()], replaces };
  const details = { hooks, logged, ...(target && { target }), ...read };
  return { graph, details };
}

interface Judged {
  /** Type of the target; undefined where the loss reads none. */
  readonly target: TensorType | undefined;
  readonly comparison: Comparison;
  /** The calls of what the objective owns. */
  readonly owned: Trace | undefined;
  /** Scalar. */
  readonly loss: Tensor;
}

/** @throws GlobalPercError when the loss cannot compare the student's output with a target. */
function* addLoss(
  staged: Stage,
  { student, loss, inputs: types, lossInputs, target: wanted, mask: masked, session, weights: bound }: Recipe,
  options: StepOptions,
): Steps<Judged> {
  const { graph, training, trace, bind, inputs, outputs, output, weights } = staged;
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
      training,
      input: inputs[0] as Tensor,
      inputs: new Map(Array.from(types.types.keys(), (name, i) => [name, inputs[i] as Tensor])),
      outputs,
      calls: trace.calls,
      weights: new Map(weights),
    },
    draws: new Draws(),
    ...(masked && { mask: graph.input('mask', 'float32', maskShape(output.shape)) }),
  };
  let owned: Trace | undefined;
  const comparison = yield* judged(description, scene, types, (module) => {
    bound.owned = module;
    owned = module && new Trace(graph, module, (path, held, target) => bind(OWNED + path, held, target));
  });
  const scalar = comparison.loss.reshape([]);
  graph.output('loss', scalar);
  if (comparison.hookLosses) graph.output('hook_losses', comparison.hookLosses);
  for (const [name, tensor] of Object.entries(comparison.logged ?? {})) graph.output(LOGGED + name, tensor.reshape([]));
  return { target: target && type, comparison, owned, loss: scalar };
}

/**
 * The loss of the student's output. @param meet gets what the objective owns, before it is called.
 * @throws GlobalPercError of the loss, with that output: it may be what is wrong.
 */
function* judged(
  description: LossDescription,
  scene: Scene,
  inputs: StudentInputs,
  meet: (owned: AnyModule | undefined) => void,
): Steps<Comparison> {
  try {
    const owned = description.owned && (yield* description.owned(scene));
    meet(owned);
    const prediction = yield* description.prediction(scene);
    const target = yield* description.target(scene);
    const compare = (): Comparison => compared(description, prediction, target, scene);
    return scene.student?.training || owned === undefined ? compare() : owned.whileEvaluating(compare);
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    const message = `${madeOf(inputs, scene.output.shape)}; ${error.message}`;
    throw new GlobalPercError(message, { code: error.code, cause: error });
  }
}

/** How messages say what a student does to shapes. */
export const madeOf = ({ description }: StudentInputs, output: Shape): string =>
  `the student makes [${output}] of ${description}`;

const typeOf = ({ dtype, shape }: Tensor): TensorType => ({ dtype, shape });
