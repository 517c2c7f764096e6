/** The weights of an imported model as values of its own, apart from the file's. */
import { copyNodes, type Graph, GraphBuilder, type Node, neededNodes, type Value } from '../graph/index.js';
import { hasBody, type ModuleCall, type Weight } from '../modules/index.js';
import type { Model } from './model.js';

/** A value for each weight; of those that the file keeps as one, each but the first under the name its module has for it. */
export function separateValues(weights: readonly Weight[]): Map<Weight, Value> {
  const taken = new Set<string>();
  return new Map(
    weights.map((weight) => {
      const { value, alias, name, readers } = weight;
      if (readers.some(hasBody)) return [weight, value] as const;
      const free = [value.name, alias, name].find((candidate) => !taken.has(candidate)) ?? name;
      taken.add(free);
      return [weight, { ...value, name: free }] as const;
    }),
  );
}

/** A copy of a model's graph whose nodes read other values where they read weights, and what its calls give there. */
export function withValues(
  { graph, calls }: Model,
  values: ReadonlyMap<Weight, Value>,
): { readonly graph: Graph; readonly calls: readonly ModuleCall[] } {
  const places = new Map<unknown, Map<number, Value>>();
  for (const [{ readers }, value] of values) {
    for (const { node, input } of readers) {
      const inputs = places.get(node) ?? new Map<number, Value>();
      places.set(node, inputs.set(input, value));
    }
  }
  const copy = new GraphBuilder();
  const copies = new Map<Value, Value>();
  const copyOf = (value: Value): Value => copies.get(value) ?? value;
  const nodes = copyNodes(graph.nodes, copies);
  for (const [i, node] of graph.nodes.entries())
    for (const [input, value] of places.get(node) ?? []) (nodes[i] as Node).inputs[input] = value;
  copy.inputs = graph.inputs;
  copy.outputs = graph.outputs.map(copyOf);
  const counterparts = new Map(graph.nodes.map((node, i) => [node, nodes[i] as Node]));
  const copied = calls.map((call) => ({
    ...call,
    output: copyOf(call.output),
    nodes: call.nodes.flatMap((node) => counterparts.get(node) ?? []),
  }));
  // What gave a weight another name is read no more.
  copy.nodes = neededNodes(nodes, [...copy.outputs, ...copied.map(({ output }) => output)]);
  return { graph: copy, calls: copied };
}
