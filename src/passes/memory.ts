/** How much memory a graph takes, known before any is allocated. */
import { byteLengthOf, type Graph, isDetach, type Node, type Value } from '../graph/index.js';

/** Operators whose output is their input under another name, or shape. */
const VIEWS = new Set(['Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);

/**
 * Bytes that a session of a graph takes: its constants, without those that stay in their file, and the inputs and results that are alive at
 * once, at most. The nodes are taken in their order; a result is there from the node that computes it to the last that reads it, and inputs and outputs of
 * the graph are there all the time. ONNX Runtime's own workspaces are not counted.
 */
export function memoryUse(graph: Graph): number {
  const owners = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => owners.get(value) ?? value;
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (input && output && (VIEWS.has(node.op) || isDetach(node))) owners.set(output, ownerOf(input));
  }
  const lasting = new Set([...graph.inputs, ...graph.outputs].map(ownerOf));
  const freed = freedBehind(graph.nodes, ownerOf);
  const constants = new Set<Value>();
  let alive = graph.inputs.reduce((sum, input) => sum + bytesOf(input), 0);
  let most = alive;
  for (const node of graph.nodes) {
    for (const input of node.inputs) if (input?.constant && !input.constant.place) constants.add(input);
    for (const output of node.outputs) if (output && ownerOf(output) === output) alive += bytesOf(output);
    most = Math.max(most, alive);
    for (const value of freed.get(node) ?? []) if (!lasting.has(value)) alive -= bytesOf(value);
  }
  return Array.from(constants, bytesOf).reduce((sum, bytes) => sum + bytes, most);
}

/** Values by the last node that uses them: that reads them, or computes what nobody reads. */
function freedBehind(nodes: readonly Node[], ownerOf: (value: Value) => Value): Map<Node, Value[]> {
  const last = new Map<Value, Node>();
  for (const node of nodes)
    for (const value of [...node.inputs, ...node.outputs])
      if (value && ownerOf(value).producer) last.set(ownerOf(value), node);
  const freed = new Map<Node, Value[]>();
  for (const [value, node] of last) freed.set(node, [...(freed.get(node) ?? []), value]);
  return freed;
}

const bytesOf = ({ dtype, shape }: Value): number => (dtype && shape ? byteLengthOf({ dtype, shape }) : 0);
