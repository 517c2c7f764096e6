/**
 * Has ONNX Runtime compute nodes in the order of the graph. It takes them as they are needed for the nodes that nothing reads, the last of these in the
 * file first, and so would compute again what it still holds, or hold what it needs late from the beginning. A node that nothing reads, of one
 * element, therefore stands at the end of the file for every value that is read late, the first one last.
 */
import { type Graph, makeNode, type Node, type Value } from '../../graph/index.js';
import { bytesOf, isHeavy } from './cost.js';
import { isView, ownersOf } from './use.js';

/** Values that stay values of their own. */
const apart = new WeakSet<Value>();

/**
 * ONNX Runtime fuses a node with the only one that reads it, and the fused kernel may round otherwise. A value that several nodes have read must not
 * be fused when, computed twice, it is read by one each time.
 */
export function keepApart(value: Value, copy: Value, isShared: boolean): void {
  if (isShared) apart.add(value);
  if (apart.has(value)) apart.add(copy);
}

/** The graph with these nodes. */
export function heldInOrder(graph: Graph): Graph {
  const ownerOf = ownersOf(graph.nodes);
  const heavyBefore = new Map<Node, number>();
  let heavy = 0;
  for (const node of graph.nodes) {
    if (isHeavy(node)) heavy += 1;
    heavyBefore.set(node, heavy);
  }
  const at = (node: Node): number => heavyBefore.get(node) as number;
  const lastRead = new Map<Value, number>();
  for (const node of graph.nodes)
    for (const input of node.inputs) if (input && !isView(node)) lastRead.set(ownerOf(input), at(node));
  const isReadLate = (node: Node, value: Value): boolean => (lastRead.get(value) ?? 0) > at(node) + 1;
  const overtaken = overtakenIn(graph.nodes);
  const heldBy = heldFor(graph.nodes);
  const wanted = graph.nodes.flatMap((node) => {
    const [value] = node.outputs;
    // What is turned may be read as it is, which saves turning it.
    if (!value || (isView(node) && !apart.has(value)) || node.op === 'Transpose') return [];
    const worth = heldBy(value) * Math.max((lastRead.get(value) ?? 0) - at(node), 1);
    return apart.has(value) || isReadLate(node, value) || overtaken.has(value) ? [{ value, worth }] : [];
  });
  const worthwhile = worthiest(wanted);
  const marks = wanted
    .filter(({ value }) => apart.has(value) || worthwhile.has(value))
    .map(({ value }) => markOf(value));
  // ONNX Runtime puts others in the place of convolutions and products, and those behind all: what nothing reads would be first.
  const ends = graph.outputs.map(ownerOf).filter(({ producer }) => producer && isHeavy(producer));
  marks.push(...ends.map(markOf));
  return Object.assign(Object.create(Object.getPrototypeOf(graph)), graph, {
    nodes: [...graph.nodes, ...marks.toReversed()],
  });
}

/** Those that are left out would spare, together, this share of what all would: opening a session takes time that grows faster than the number of marks. */
const LEFT_OUT = 0.01;

/** No more than so many. */
const MOST = 2000;

/** Those that take most memory for longest. */
function worthiest(wanted: readonly { readonly value: Value; readonly worth: number }[]): Set<Value> {
  const sorted = wanted.toSorted((a, b) => b.worth - a.worth).slice(0, MOST);
  let rest = (1 - LEFT_OUT) * sorted.reduce((sum, { worth }) => sum + worth, 0);
  const enough = sorted.findIndex(({ worth }) => {
    rest -= worth;
    return rest <= 0;
  });
  return new Set(sorted.slice(0, enough + 1).map(({ value }) => value));
}

/** For each value the bytes that are held before it is computed, or then: small ones, such as a hook's loss, let go of the large ones that they are made of. */
function heldFor(nodes: readonly Node[]): (value: Value) => number {
  const held = new Map<Value, number>();
  const of = (value: Value | undefined): number => (value && held.get(value)) ?? 0;
  for (const { inputs, outputs } of nodes) {
    const source = Math.max(0, ...inputs.map(of));
    for (const output of outputs)
      if (output) held.set(output, bytesOf(output) < LARGE ? Math.max(bytesOf(output), source) : bytesOf(output));
  }
  return of;
}

/** Nodes that are looked at behind a value. */
const NEAR = 300;

/** Values from so many bytes on are worth a node. */
const LARGE = 2 ** 16;

/**
 * Values that would be computed behind others although they stand in front of them: of what one node reads, the last in the file is computed
 * first, with all that is needed for it alone. What is computed again for the gradient would so be there before the gradient is.
 */
function overtakenIn(nodes: readonly Node[]): Set<Value> {
  const place = new Map(nodes.map((node, i) => [node, i]));
  const placeOf = (value: Value): number => (value.producer && place.get(value.producer)) ?? -1;
  const overtaken = new Set<Value>();
  for (const { inputs } of nodes) {
    const computed = [...new Set(inputs)].filter((input) => input?.producer !== undefined) as Value[];
    for (const value of computed) {
      if (bytesOf(value) < LARGE || overtaken.has(value)) continue;
      const later = computed.filter((other) => placeOf(other) > placeOf(value));
      if (later.some((other) => !dependsOn(other, value, placeOf))) overtaken.add(value);
    }
  }
  return overtaken;
}

/** Whether a value is made of another that is computed before it. */
function dependsOn(value: Value, source: Value, placeOf: (value: Value) => number): boolean {
  const asked = [value];
  const seen = new Set<Value>();
  for (let next = asked.pop(); next && seen.size < NEAR; next = asked.pop()) {
    if (next === source) return true;
    if (seen.has(next) || placeOf(next) <= placeOf(source)) continue;
    seen.add(next);
    for (const input of next.producer?.inputs ?? []) if (input) asked.push(input);
  }
  return false;
}

/**
 * A node that nothing reads, and which looks at no element. ONNX Runtime moves Transposes through other operators, which then stand elsewhere; and of all
 * that it leaves in their place this one opens fastest: with GatherND a session of 9000 nodes, 1700 of them marks, takes almost twice the time.
 */
const markOf = (value: Value): Node => {
  const name = `${value.name}.mark`;
  return makeNode({ op: 'Size', name, inputs: [value], outputs: [{ name, dtype: 'int64', shape: [] }] });
};
