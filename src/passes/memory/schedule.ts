/**
 * The order in which nodes are computed, with little memory. Layers are taken one after the other, in all branches at once: what a hook
 * compares is compared, and its gradient computed, before the next layer is. What is cheaper to keep than what it is made of waits until it is read.
 */
import { checked, type Graph, type Node, readersOf, type Value } from '../../graph/index.js';
import { bytesOfAll, isHeavy } from './cost.js';
import { ownersOf } from './use.js';

/** Products and convolutions between a node and one that reads it, up to which the two belong together. */
export const NEAR = 2;

/** Orders nodes, in place. */
export function schedule(graph: Graph): void {
  graph.nodes = lateWhereFree(graph, byLayers(graph));
  checked(graph, 'putting its nodes into order');
}

type Layers = Map<Node, number>;

/** For each node, how many products and convolutions lie one behind the other on the longest way to it, itself included: its layer. */
export function earliest(nodes: readonly Node[]): Layers {
  const layers: Layers = new Map();
  for (const node of nodes) {
    const before = node.inputs.map((input) => (input?.producer && layers.get(input.producer)) ?? 0);
    layers.set(node, Math.max(0, ...before) + (isHeavy(node) ? 1 : 0));
  }
  return layers;
}

/** The layer in which a node must be computed for those that read it to be in theirs. */
function latest(nodes: readonly Node[], early: Layers, readers: Readers): Layers {
  const layers: Layers = new Map();
  for (const node of nodes.toReversed()) {
    const behind = readersOfAll(node, readers).map(
      (reader) => (layers.get(reader) as number) - (isHeavy(reader) ? 1 : 0),
    );
    layers.set(node, behind.length === 0 ? (early.get(node) as number) : Math.min(...behind));
  }
  return layers;
}

type Readers = ReadonlyMap<Value, readonly Node[]>;

const readersOfAll = ({ outputs }: Node, readers: Readers): Node[] =>
  outputs.flatMap((output) => (output && readers.get(output)) ?? []);

/**
 * The layer of each node. Nodes of one layer that nothing before some later one waits for, and that read one another, are computed early
 * if that keeps less: the gradient of a hook takes less than both activations. Else late: the windows of a convolution that the gradient of its weight
 * reads, of an activation that is kept anyway.
 */
function layersOf(nodes: readonly Node[], readers: Readers, outputs: ReadonlySet<Value | undefined>): Layers {
  const early = earliest(nodes);
  const late = latest(nodes, early, readers);
  const ownerOf = ownersOf(nodes);
  const lastRead = new Map<Value, number>();
  const isFree = (node: Node): boolean => (late.get(node) as number) - (early.get(node) as number) > NEAR;
  for (const node of nodes)
    for (const input of node.inputs)
      if (input && !isFree(node))
        lastRead.set(ownerOf(input), Math.max(lastRead.get(ownerOf(input)) ?? 0, early.get(node) as number));
  const layers = new Map(early);
  for (const group of groupsOf(nodes.filter(isFree), early, readers)) {
    const until = Math.min(...Array.from(group, (node) => late.get(node) as number));
    const isOutside = (value: Value): boolean =>
      outputs.has(value) || (readers.get(value) ?? []).some((reader) => !group.has(reader));
    const inside = new Set([...group].flatMap((node) => node.outputs));
    const [made, read] = [new Set<Value>(), new Set<Value>()];
    for (const node of group) {
      for (const output of node.outputs) if (output && isOutside(output)) made.add(ownerOf(output));
      for (const input of node.inputs) {
        if (!input || input.constant || inside.has(input) || !ownerOf(input).producer) continue;
        if ((lastRead.get(ownerOf(input)) ?? 0) < until) read.add(ownerOf(input));
      }
    }
    if (bytesOfAll(read) < bytesOfAll(made)) for (const node of group) layers.set(node, late.get(node) as number);
  }
  return layers;
}

/** Nodes of one layer that read one another. */
function groupsOf(nodes: readonly Node[], layers: Layers, readers: Readers): Set<Node>[] {
  const left = new Set(nodes);
  const groups: Set<Node>[] = [];
  for (const first of nodes) {
    if (!left.delete(first)) continue;
    const group = new Set([first]);
    // The group grows while it is walked.
    for (const node of group) {
      const near = [...readersOfAll(node, readers), ...node.inputs.flatMap((input) => input?.producer ?? [])];
      for (const other of near) if (layers.get(other) === layers.get(first) && left.delete(other)) group.add(other);
    }
    groups.push(group);
  }
  return groups;
}

/**
 * Layer by layer. A node that one other reads, soon, is computed for that one: blocks of attention are taken one after the other
 * although they could all be begun.
 */
function byLayers({ nodes, ...graph }: Graph): Node[] {
  const readers = readersOf({ nodes });
  const outputs = new Set<Value | undefined>(graph.outputs);
  const layers = layersOf(nodes, readers, outputs);
  const layerOf = (node: Node): number => layers.get(node) as number;
  const isFor = (node: Node): boolean => {
    const [reader, ...others] = new Set(readersOfAll(node, readers));
    return reader !== undefined && others.length === 0 && layerOf(reader) - layerOf(node) <= NEAR;
  };
  const goals = nodes.filter((node) => node.outputs.some((output) => outputs.has(output)) || !isFor(node));
  goals.sort((a, b) => layerOf(a) - layerOf(b));
  return onDemand(goals);
}

/** Nodes, each behind those that it needs, as they are asked for. */
function onDemand(goals: readonly Node[]): Node[] {
  const [ordered, seen] = [[] as Node[], new Set<Node>()];
  const stack: { readonly node: Node; readonly ready: boolean }[] = [];
  for (const goal of goals) {
    stack.push({ node: goal, ready: false });
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { node, ready } = next;
      if (ready) ordered.push(node);
      else if (!seen.has(node)) {
        seen.add(node);
        stack.push({ node, ready: true });
        for (const input of node.inputs.toReversed())
          if (input?.producer) stack.push({ node: input.producer, ready: false });
      }
    }
  }
  return ordered;
}

/** Lets a node wait for the first that reads it, where what it reads is no larger than it or is kept until then anyway. */
function lateWhereFree({ inputs, outputs }: Graph, nodes: Node[]): Node[] {
  const readers = readersOf({ nodes });
  const owner = ownersOf(nodes);
  const kept = new Set([...inputs, ...outputs].map(owner));
  const place = new Map(nodes.map((node, i) => [node, i]));
  const waiting = new Map<number, Node[]>();
  /** Where something, or what is a view of it, is read for the last time by another node. */
  const uses = new Map<Value, Set<Node>>();
  for (const node of nodes)
    for (const value of [...node.inputs, ...node.outputs])
      if (value) uses.set(owner(value), (uses.get(owner(value)) ?? new Set()).add(node));
  const lastUse = (value: Value, except: Node): number => {
    let last = -1;
    for (const node of uses.get(owner(value)) ?? [])
      if (node !== except) last = Math.max(last, place.get(node) as number);
    return last;
  };
  for (const node of nodes.toReversed()) {
    const found = node.outputs.flatMap((output) => (output && readers.get(output)) ?? []);
    if (found.length === 0 || node.outputs.some((output) => output && kept.has(owner(output)))) continue;
    const until = Math.min(...found.map((reader) => place.get(reader) as number));
    const longer = new Set(
      node.inputs.filter(
        (input) => input && !input.constant && !kept.has(owner(input)) && lastUse(input, node) < until,
      ),
    );
    const own = node.outputs.filter((output) => output && owner(output) === output);
    if (bytesOfAll(longer) > bytesOfAll(own)) continue;
    place.set(node, until);
    // In front of all that wait there already: they may read it.
    waiting.set(until, [node, ...(waiting.get(until) ?? [])]);
  }
  const late = new Set([...waiting.values()].flat());
  return nodes.flatMap((node, i) => (late.has(node) ? [] : [...(waiting.get(i) ?? []), node]));
}
