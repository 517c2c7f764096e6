/** Walking over nodes: what is needed, what depends on what, who reads what. */
import type { Body, Node, Value } from './graph.js';

/**
 * The nodes that `wanted` depends on, in order.
 * @param follows Whether the walk asks what computes a value; default: always.
 */
export function neededNodes(
  nodes: readonly Node[],
  wanted: Iterable<Value>,
  follows: (value: Value) => boolean = () => true,
): Node[] {
  const needed = new Set<Value>();
  const ask = (values: Iterable<Value | undefined>): void => {
    for (const value of values) if (value && follows(value)) needed.add(value);
  };
  ask(wanted);
  return nodes
    .toReversed()
    .filter((node) => {
      if (!computesAny(node, needed)) return false;
      ask(node.inputs);
      return true;
    })
    .toReversed();
}

/** How far `dependents` goes. */
export interface Passage {
  /** Whether the walk goes on behind a node; default: always. `reached`: one of its inputs depends on a source. */
  readonly passes?: (node: Node, reached: boolean) => boolean;
  /** Whether it goes on behind a value; default: always. */
  readonly carries?: (value: Value) => boolean;
}

/** The sources, and what is computed from them. */
export function dependents(
  nodes: readonly Node[],
  sources: Iterable<Value>,
  { passes = (_, reached) => reached, carries = () => true }: Passage = {},
): Set<Value> {
  const found = new Set<Value>(sources);
  for (const node of nodes) {
    if (
      !passes(
        node,
        node.inputs.some((input) => input && found.has(input)),
      )
    )
      continue;
    for (const output of node.outputs) if (output && carries(output)) found.add(output);
  }
  return found;
}

/** True when a node computes one of the values. */
export const computesAny = (node: Node, values: ReadonlySet<Value | undefined>): boolean =>
  node.outputs.some((output) => values.has(output));

/** True when a node reads one of the values. */
export const readsAny = (node: Node, values: ReadonlySet<Value | undefined>): boolean =>
  node.inputs.some((input) => values.has(input));

/** The nodes that read each value, in order. */
export function readersOf({ nodes }: Pick<Body, 'nodes'>): Map<Value, Node[]> {
  const readers = new Map<Value, Node[]>();
  for (const node of nodes) {
    for (const input of new Set(node.inputs)) {
      if (input === undefined) continue;
      const known = readers.get(input);
      if (known) known.push(node);
      else readers.set(input, [node]);
    }
  }
  return readers;
}
