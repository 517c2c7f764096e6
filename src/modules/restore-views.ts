/**
 * The dynamo exporter makes one Reshape of two that follow each other. Where the first ended a module and the second
 * began another, what the first module returned is gone; another call of its class tells its shape, or how the exporter
 * spells the class.
 */
import { constantOf, type Graph, makeConstant, type Node, numbersOf, sizeOf, type Value } from '../graph/index.js';
import { dynamoScopes } from './dynamo.js';
import { groupBy } from './group.js';
import type { Scope } from './types.js';

const RULE = 'pkg.onnxscript.rewriter.rule_name';
const UNFOLD = 'torch.nn.modules.fold.Unfold';

/** Puts back the views that ended modules, in place. */
export function restoreViews(graph: Graph): void {
  const merged = graph.nodes.filter(({ metadata }) => metadata?.[RULE]?.includes('ReshapeReshape'));
  if (merged.length === 0) return;
  const scopes = dynamoScopes(graph);
  const moduleOf = (node: Node | undefined): Scope | undefined => node && scopes?.get(node)?.scopes.at(-1);
  const modules = groupBy(graph.nodes, (node) => moduleOf(node)?.path);
  for (const node of merged) {
    const [view] = node.inputs;
    const { path, qualifiedClass } = moduleOf(view?.producer) ?? {};
    if (view === undefined || qualifiedClass === undefined || path === moduleOf(node)?.path) continue;
    const sameClass = (nodes: readonly Node[]): boolean => moduleOf(nodes[0])?.qualifiedClass === qualifiedClass;
    const unfolded = qualifiedClass === UNFOLD ? unfoldedShape(view.producer) : undefined;
    const shape = unfolded ?? shapeAmong(Array.from(modules.values()).filter(sameClass), view);
    if (shape) node.inputs[0] = insertView(graph, view, shape);
  }
}

/** The shape of as many elements as a view has that all modules end with, of those that end with such a one. */
function shapeAmong(modules: readonly (readonly Node[])[], view: Value): number[] | undefined {
  const size = elementsOf(view);
  const shapes = modules.flatMap((nodes) => viewShape(nodes.at(-1)) ?? []).filter((shape) => sizeOf(shape) === size);
  return shapes.every((other) => String(other) === String(shapes[0])) ? shapes[0] : undefined;
}

/** [batch, channels · places in a window, windows], from the two Gathers whose indices are [places, windows] of an axis. */
function unfoldedShape(transpose: Node | undefined): number[] | undefined {
  const columns = transpose?.inputs[0]?.producer;
  const rows = columns?.inputs[0]?.producer;
  const [high, wide] = [rows, columns].map((node) =>
    node?.op === 'Gather' ? node.inputs[1]?.constant?.shape[1] : undefined,
  );
  return high === undefined || wide === undefined ? undefined : [0, -1, high * wide];
}

/** The constant shape that a Reshape gives. */
function viewShape(node: Node | undefined): number[][] | undefined {
  const constant = node?.op === 'Reshape' ? node.inputs[1]?.constant : undefined;
  const shape = constant && numbersOf(constant);
  return shape?.every((dim) => dim > 0) ? [shape] : undefined;
}

/** Number of elements, where a view before a transposition tells it. */
function elementsOf({ producer }: Value): number | undefined {
  if (producer?.op === 'Transpose' && producer.inputs[0]) return elementsOf(producer.inputs[0]);
  return viewShape(producer)?.map(sizeOf)[0];
}

function insertView(graph: Graph, view: Value, dims: readonly number[]): Value {
  const { rewriting: _, ...producer } = view.producer as Node;
  const shape: Value = {
    ...makeConstant(`${view.name}:shape`, constantOf('int64', [dims.length], dims)),
    literal: true,
  };
  const output: Value = { name: `${view.name}.restored` };
  const node: Node = {
    ...producer,
    op: 'Reshape',
    name: output.name,
    inputs: [view, shape],
    outputs: [output],
    attributes: {},
  };
  output.producer = node;
  graph.nodes.splice(graph.nodes.indexOf(view.producer as Node) + 1, 0, node);
  return output;
}
