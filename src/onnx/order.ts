/** Nodes in an order in which every value is computed before it is read. */
import { GlobalPercError, type Node } from '../graph/index.js';

/**
 * Sorts nodes topologically; an order that is right already is kept.
 * @throws GlobalPercError when nodes wait for each other.
 */
export function inExecutionOrder(nodes: readonly Node[], source: string): Node[] {
  // What a branch or loop body reads from around it is there before.
  const own = new Set(nodes);
  const waitsFor = new Map<Node, number>();
  const readers = new Map<Node, Node[]>();
  for (const node of nodes) {
    const producers = node.inputs.flatMap((input) =>
      input?.producer && own.has(input.producer) ? [input.producer] : [],
    );
    waitsFor.set(node, producers.length);
    for (const producer of producers) {
      const known = readers.get(producer);
      if (known) known.push(node);
      else readers.set(producer, [node]);
    }
  }
  if (isOrdered(nodes, own)) return [...nodes];
  // The list grows while it is walked.
  const ordered = nodes.filter((node) => waitsFor.get(node) === 0);
  for (const done of ordered) {
    for (const reader of readers.get(done) ?? []) {
      const left = (waitsFor.get(reader) as number) - 1;
      waitsFor.set(reader, left);
      if (left === 0) ordered.push(reader);
    }
  }
  const stuck = nodes.find((node) => (waitsFor.get(node) as number) > 0);
  if (stuck)
    throw new GlobalPercError(`${source}: ${stuck.op} '${stuck.name}' is part of a cycle; export the model again`, {
      code: 'invalid-model',
    });
  return ordered;
}

function isOrdered(nodes: readonly Node[], own: ReadonlySet<Node>): boolean {
  const done = new Set<Node>();
  return nodes.every((node) => {
    const ready = node.inputs.every(
      (input) => !input?.producer || !own.has(input.producer) || done.has(input.producer),
    );
    done.add(node);
    return ready;
  });
}
