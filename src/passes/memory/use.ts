/** How much memory a graph takes, known before any is allocated. */
import { type Graph, isDetach, type Node, REPACKED_UP_TO, type Value } from '../../graph/index.js';
import { operatorOf } from '../../ops/index.js';
import { bytesInFiles, bytesOf, bytesOfAll } from './cost.js';

/** Operators whose output is their input under another name, or shape. */
const VIEWS = new Set(['Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);

/** Whether a node computes nothing: its output is its input, seen otherwise. */
export const isView = (node: Node): boolean => VIEWS.has(node.op) || isDetach(node);

/** For each value the one whose memory it lies in: itself, unless it is a view of another. */
export function ownersOf(nodes: readonly Node[]): (value: Value) => Value {
  const owners = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => owners.get(value) ?? value;
  for (const node of nodes) {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (input && output && isView(node)) owners.set(output, ownerOf(input));
  }
  return ownerOf;
}

/** What ONNX Runtime computes when it opens a graph, since it depends on constants alone, such as the turned kernels of a convolution's gradient. */
function foldedIn(nodes: readonly Node[]): Set<Value> {
  const folded = new Set<Value>();
  const isKnown = (value: Value | undefined): boolean =>
    value === undefined || value.constant !== undefined || folded.has(value);
  for (const node of nodes) {
    if (!node.inputs.every(isKnown) || operatorOf(node)?.random) continue;
    for (const output of node.outputs) if (output) folded.add(output);
  }
  return folded;
}

/** What is alive while the nodes are taken in their order. */
export interface Timeline {
  readonly ownerOf: (value: Value) => Value;
  /** The order. */
  readonly place: ReadonlyMap<Node, number>;
  /** The node, by its place, behind which a value is not read any more. Values that last have none. */
  readonly last: ReadonlyMap<Value, number>;
  /** Bytes that are alive while each node runs. */
  readonly alive: readonly number[];
  /** The most of them, and where that is. */
  readonly most: number;
  readonly at: number;
  /** Bytes of constants, as far as ONNX Runtime makes copies of them: not of many that stay in files. */
  readonly constants: number;
}

/**
 * A result is there from the node that computes it to the last that reads it, and inputs and outputs of the graph are there all the time. Constants
 * count by themselves.
 */
export function timelineOf({ inputs, outputs, nodes }: Pick<Graph, 'inputs' | 'outputs' | 'nodes'>): Timeline {
  const ownerOf = ownersOf(nodes);
  const folded = foldedIn(nodes);
  const isConstant = (value: Value): boolean => value.constant !== undefined || folded.has(value);
  const lasting = new Set([...inputs, ...outputs].map(ownerOf));
  const last = new Map<Value, number>();
  const constants = new Set<Value>();
  nodes.forEach((node, i) => {
    const isFolded = node.outputs.some((output) => output && folded.has(output));
    for (const value of [...node.inputs, ...node.outputs]) {
      if (value === undefined) continue;
      const owner = ownerOf(value);
      if (isConstant(owner)) {
        if (!isFolded) constants.add(owner);
      } else if (owner.producer && !lasting.has(owner)) last.set(owner, i);
    }
  });
  const freed: number[] = nodes.map(() => 0);
  for (const [value, i] of last) freed[i] = (freed[i] as number) + bytesOf(value);
  let now = bytesOfAll(inputs);
  let [most, at] = [now, 0];
  const alive = nodes.map((node, i) => {
    for (const output of node.outputs)
      if (output && ownerOf(output) === output && !folded.has(output)) now += bytesOf(output);
    const here = now;
    if (here > most) [most, at] = [here, i];
    now -= freed[i] as number;
    return here;
  });
  const place = new Map(nodes.map((node, i) => [node, i]));
  const inFiles = bytesInFiles(constants);
  const copied = bytesOfAll(constants) - (inFiles > REPACKED_UP_TO ? inFiles : 0);
  return { ownerOf, place, last, alive, most, at, constants: copied };
}

/** Bytes that a session of a graph takes: its constants, and what is alive at once, at most. ONNX Runtime's own workspaces are not counted. */
export function memoryUse(graph: Graph): number {
  const { most, constants } = timelineOf(graph);
  return most + constants;
}
