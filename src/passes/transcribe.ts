/** Copying graphs: the one mechanism behind grafting a model, pruning, and every rewriting pass. */
import { checked, type Graph, type Node, neededNodes, Tensor, type Value } from '../graph/index.js';
import { createGraph, expanded } from '../ops/index.js';

/** Replaces a node while it is copied; `undefined` keeps it. Inputs are already those of the new graph. */
export type Rewrite = (node: Node, inputs: readonly (Tensor | undefined)[], target: Graph) => Tensor[] | undefined;

/** The first rule that fits a node replaces it. */
export const firstOf =
  (rules: readonly Rewrite[]): Rewrite =>
  (node, inputs, target) => {
    for (const rule of rules) {
      const outputs = rule(node, inputs, target);
      if (outputs) return outputs;
    }
    return undefined;
  };

/**
 * Copies what `wanted` needs from `source` into `target`, with the values in `bindings` replaced by tensors of the
 * target. Constants are shared, not copied. Values must be static.
 * @returns the counterpart of every wanted value, in order.
 */
export function transcribe(
  source: Graph,
  target: Graph,
  bindings: ReadonlyMap<Value, Tensor>,
  wanted: readonly Value[],
  rewrite: Rewrite = () => undefined,
): Tensor[] {
  const copies = new Map<Value, Tensor>(bindings);
  const copyOf = (value: Value): Tensor => {
    const copy = copies.get(value) ?? (value.constant && new Tensor(target, value));
    if (copy === undefined) throw new Error(`'${value.name}' is neither computed, constant nor bound`);
    return copy;
  };
  for (const node of neededNodes(source.nodes, wanted, (value) => !bindings.has(value))) {
    const inputs = node.inputs.map((input) => input && copyOf(input));
    const outputs = rewrite(node, inputs, target) ?? expanded(node, inputs) ?? copyNode(node, inputs, target);
    node.outputs.forEach((output, i) => {
      const copy = outputs[i];
      if (output && copy && !copies.has(output)) copies.set(output, copy);
    });
  }
  checked(target, 'copying another into it');
  return wanted.map(copyOf);
}

/** Emits the same node on other inputs; output types are taken over, so operators without an entry can be copied too. */
export function copyNode(node: Node, inputs: readonly (Tensor | undefined)[], target: Graph): Tensor[] {
  const types = node.outputs.map(
    (output) => ({ dtype: output?.dtype ?? 'float32', shape: output?.shape ?? [] }) as const,
  );
  return target.emit(node.op, inputs, node.attributes, {
    outputs: node.outputs.length,
    domain: node.domain,
    modulePath: node.modulePath,
    types,
  });
}

/** A copy of a whole graph, with the same inputs and outputs, through a rewrite; unneeded nodes are left out. */
export function rewriteGraph(source: Graph, rewrite: Rewrite): Graph {
  const target = createGraph();
  return completed(source, target, copied(source, target, rewrite));
}

/**
 * As `rewriteGraph`, and whatever the rewrite emits is rewritten at once as well: one walk leaves nothing to do. The rewrite sees
 * each node behind the final forms of its inputs, once the node stands in the new graph; it must come to an end by itself.
 */
export function reduceGraph(source: Graph, rewrite: Rewrite): Graph {
  const target = createGraph();
  const { emit } = target;
  target.emit = (op, inputs, ...rest) => {
    const outputs = emit.call(target, op, inputs, ...rest);
    return rewrite(target.nodes.at(-1) as Node, inputs, target) ?? outputs;
  };
  const outputs = copied(source, target);
  target.emit = emit;
  return completed(source, target, outputs);
}

function copied(source: Graph, target: Graph, rewrite?: Rewrite): Tensor[] {
  const bindings = new Map(source.inputs.map((value) => [value, copyInput(value, target)]));
  return transcribe(source, target, bindings, source.outputs, rewrite);
}

function completed(source: Graph, target: Graph, outputs: readonly Tensor[]): Graph {
  for (const [i, tensor] of outputs.entries()) target.output((source.outputs[i] as Value).name, tensor);
  // A rewrite may have bypassed nodes that were already copied.
  target.nodes = neededNodes(target.nodes, target.outputs);
  return checked(target, 'rewriting it');
}

function copyInput(value: Value, target: Graph): Tensor {
  const { dtype, shape } = new Tensor(target, value);
  return target.input(value.name, dtype, shape);
}
