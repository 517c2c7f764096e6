/** A module of `nn` in the place of a module call of an imported model. */
import {
  copyNodes,
  dependents,
  GlobalPercError,
  type Graph,
  GraphBuilder,
  listed,
  type Node,
  neededNodes,
  readsOnlyShape,
  type Shape,
  Tensor,
  type TensorType,
  type Value,
} from '../graph/index.js';
import type { ModuleCall } from '../modules/index.js';
import { Module } from '../nn/index.js';
import { placeholder } from '../ops/index.js';
import { instanceOf, nearest, string } from '../options/index.js';
import { specialize } from '../passes/index.js';
import type { SessionOptions, Steps } from '../runtime/index.js';

/** An imported graph and the module calls in it. */
export interface CalledGraph {
  readonly source: string;
  readonly graph: Graph;
  readonly calls: readonly ModuleCall[];
}

/** A module in the place of a call, with the graph in which it took it. */
interface Replacement {
  readonly path: string;
  readonly module: Module;
  readonly before: CalledGraph;
  /** What the former calls gave. */
  readonly former: readonly Value[];
  /** Shapes of the call that was traced last, for messages. */
  readonly seen: { inputs: readonly Shape[]; output: Shape }[];
}

/** What was replaced in a graph, in this order. */
const REPLACEMENTS = new WeakMap<Graph, readonly Replacement[]>();

const replacementsIn = (graph: Graph): readonly Replacement[] => REPLACEMENTS.get(graph) ?? [];

/** Whether a module has taken the place of a call. */
export const isReplaced = (graph: Graph): boolean => replacementsIn(graph).length > 0;

/** A copy of a graph in which a module has taken the place of the calls of a path. */
export interface ReplacedGraph extends CalledGraph {
  /** The counterpart of a value of the former graph. */
  copyOf(value: Value): Value;
}

const isModule = instanceOf(Module as abstract new () => Module, 'an nn.Module of one output');

/** What one call reads and computes. */
interface Place {
  readonly call: ModuleCall;
  readonly inputs: readonly Value[];
  readonly inner: ReadonlySet<Node>;
}

/**
 * Puts a module in the place of every call of a path: it is given what those read, and gives what they gave.
 * @throws GlobalPercError when there is no such call, or it cannot be taken out.
 */
export function replaceCalls(before: CalledGraph, path: string, module: Module): ReplacedGraph {
  const { source, graph, calls } = before;
  isModule(module, 'replace: module');
  const places = placesOf(before, string(path, 'replace: path'));
  const dropped = new Set(places.flatMap(({ inner }) => [...inner]));
  const copies = new Map<Value, Value>(graph.inputs.map((input) => [input, opened(input, places)]));
  const kept = graph.nodes.filter((node) => !dropped.has(node));
  // What a call gave gets its counterpart before it is copied where it is read.
  for (const { call } of places) copies.set(call.output, { name: call.output.name });
  const copied = copyNodes(kept, copies);
  const nodes = new Map(kept.map((node, i) => [node, copied[i] as Node]));
  const replacement: Replacement = { path, module, before, former: places.map(({ call }) => call.output), seen: [] };
  for (const { call, inputs } of places) {
    const read = inputs.map((value) => copies.get(value) ?? value);
    const node = placeholder(path, path, read, copies.get(call.output) as Value, (given) => called(replacement, given));
    nodes.set(call.output.producer as Node, node);
  }
  const copyOf = (value: Value): Value => copies.get(value) ?? value;
  const copy = new GraphBuilder();
  copy.inputs = graph.inputs.map(copyOf);
  copy.outputs = graph.outputs.map(copyOf);
  copy.nodes = graph.nodes.flatMap((node) => nodes.get(node) ?? []);
  const counterparts = calls
    .filter((call) => !call.path.startsWith(`${path}.`))
    .map((call) => ({
      ...call,
      ...(call.path === path && { class: module.className, leaf: module.children().length === 0 }),
      output: copyOf(call.output),
      nodes: call.nodes.flatMap((node) => nodes.get(node) ?? []),
    }));
  REPLACEMENTS.set(copy, [...replacementsIn(graph), replacement]);
  return { source, graph: copy, calls: counterparts, copyOf };
}

/** An input takes what the module takes, where that reads it. */
function opened(input: Value, places: readonly Place[]): Value {
  const { declaredShape, ...rest } = input;
  return { ...rest, ...(declaredShape && !places.some(({ inputs }) => inputs.includes(input)) && { declaredShape }) };
}

function called({ path, module, seen }: Replacement, inputs: readonly Tensor[]): Tensor {
  const output: unknown = module(...inputs);
  if (!(output instanceof Tensor)) {
    throw new GlobalPercError(`replace: the module in the place of '${path}' should give one tensor`, {
      code: 'invalid-option',
    });
  }
  seen[0] = { inputs: inputs.map(({ shape }) => shape), output: output.shape };
  return output;
}

/** @throws GlobalPercError when there is none, or what it computes cannot be told from what is around it. */
function placesOf({ source, graph, calls }: CalledGraph, path: string): Place[] {
  const chosen = calls.filter((call) => call.path === path);
  if (chosen.length === 0) {
    const paths = [...new Set(calls.map((call) => call.path))];
    const close = nearest(path, paths);
    throw new GlobalPercError(
      `${source}: no module '${path}' is called; ${close ? `did you mean '${close}'?` : `there are ${listed(paths)}`}`,
      { code: 'invalid-option' },
    );
  }
  const dependent = dependents(graph.nodes, graph.inputs, {
    passes: (node, reached) => reached && !readsOnlyShape(node),
  });
  return chosen.map((call) => placeOf(call, graph, dependent, source));
}

function placeOf(call: ModuleCall, graph: Graph, dependent: ReadonlySet<Value>, source: string): Place {
  const depends = (value: Value | undefined): value is Value => value !== undefined && dependent.has(value);
  const own = new Set(call.nodes);
  const inner = new Set(
    neededNodes(call.nodes, [call.output]).filter((node) => own.has(node) && node.outputs.some(depends)),
  );
  const computed = new Set([...inner].flatMap(({ outputs }) => outputs));
  const inputs = [...new Set([...inner].flatMap((node) => node.inputs.filter(depends)))].filter(
    (value) => !computed.has(value),
  );
  computed.delete(call.output);
  const reader = graph.nodes.find(
    (node) => !inner.has(node) && node.inputs.some((value) => value && computed.has(value)),
  );
  const problem =
    call.folded !== undefined
      ? `the exporter has merged '${call.folded.path}' into it`
      : !inner.has(call.output.producer as Node) || inputs.length === 0
        ? 'what it computes does not stand in the file by itself'
        : reader && !own.has(reader)
          ? `'${reader.name}' outside reads what it computes inside`
          : undefined;
  if (problem === undefined) return { call, inputs, inner };
  throw new GlobalPercError(`${source}: '${call.path}' cannot be replaced: ${problem}; take the module around it`, {
    code: 'invalid-option',
  });
}

/**
 * Compares what modules give with what the calls gave whose place they took, where those take these inputs: number of dimensions, batch
 * and features. Where they do not, the operators behind them tell.
 * @throws GlobalPercError naming the module and both shapes.
 */
export function* requireReplacements(
  graph: Graph,
  types: ReadonlyMap<string, TensorType>,
  session: SessionOptions = {},
): Steps<void> {
  for (const { path, former, before, seen } of replacementsIn(graph)) {
    const inputs = before.graph.inputs.flatMap((input) => {
      const type = types.get(input.name);
      return type ? [[input, type] as const] : [];
    });
    const [made] = seen;
    const shape = yield* formerShape(before.graph, new Map(inputs), former[0] as Value, session);
    if (made === undefined || shape === undefined || isAlike(made.output, shape)) continue;
    throw new GlobalPercError(
      `replace: the module in the place of '${path}' makes [${made.output}] of [${made.inputs.join('], [')}], the former made [${shape}]: ` +
        'as many dimensions, the same batch and as many features are needed',
      { code: 'invalid-option' },
    );
  }
}

function* formerShape(
  graph: Graph,
  types: ReadonlyMap<Value, TensorType>,
  value: Value,
  session: SessionOptions,
): Steps<Shape | undefined> {
  try {
    const body = yield* specialize(graph, types, [value], session);
    return body.valueOf(value).shape;
  } catch (error) {
    if (error instanceof GlobalPercError) return undefined;
    throw error;
  }
}

function isAlike(made: Shape, former: Shape): boolean {
  const features = former.length > 3 ? 1 : former.length - 1;
  return made.length === former.length && made[0] === former[0] && made[features] === former[features];
}

/** What a replacement has to do with a model that does not run, for its error. */
export const aboutReplacements = (graph: Graph): string =>
  replacementsIn(graph)
    .flatMap(({ path, seen }) =>
      seen.map(({ inputs, output }) => `; '${path}' was replaced and makes [${output}] of [${inputs.join('], [')}]`),
    )
    .join('');
