/**
 * Less memory for more time: what a graph keeps for later is computed again where it is read (gradient checkpointing; Chen et al. 2016, "Training
 * deep nets with sublinear memory cost"). Of all that is alive where most is, the values go first that save most bytes a second. Copies read the same
 * values as the originals, so that they are the same numbers; random nodes are never copied.
 */
import { checked, copyNodes, type Graph, type Node, neededNodes, readersOf, type Value } from '../../graph/index.js';
import { operatorOf } from '../../ops/index.js';
import { bytesOf, secondsOf } from './cost.js';
import { keepApart } from './in-order.js';
import { type Timeline, timelineOf } from './use.js';

/** What memory costs. */
export interface Cost {
  /** Bytes that a session of the graph takes. */
  readonly bytes: number;
  /** What is computed again, as a share of the time of the graph as it was; estimated. */
  readonly time: number;
}

/** So often is one node copied, at most. */
const COPIES = 4;

/** Nodes that are copied for one value, at most. */
const LONGEST = 400;

/** Candidates of one round save at least this share of what the best of them saves a second. */
const AS_GOOD = 0.5;

/** Values below this share of all that is alive are kept. */
const SMALL = 1 / 2000;

/** What is to be computed again. */
interface Candidate {
  readonly value: Value;
  /** Nodes that are copied, in order, and the place they are put in front of. */
  readonly nodes: readonly Node[];
  readonly before: number;
  readonly bytes: number;
  readonly seconds: number;
  /** What the copies read. */
  readonly reads: ReadonlySet<Value>;
}

/** A graph whose values are computed again, more of them with every round. */
export class Recomputation {
  private readonly graph: Graph;
  private readonly whole: number;
  /** Seconds of each node: others of the same types are put in the place of what it reads, if any. */
  private readonly times = new Map<Node, number>();
  private readonly origins = new Map<Node, Node>();
  private readonly copies = new Map<Node, Node[]>();
  private timeline: Timeline;

  /** @param graph Its nodes are in the order in which they are computed; it is changed in place. */
  constructor(graph: Graph) {
    this.graph = graph;
    this.whole = this.seconds(graph.nodes);
    this.timeline = timelineOf(graph);
  }

  get cost(): Cost {
    const time = Math.max(0, this.seconds(this.graph.nodes) / this.whole - 1);
    return { bytes: this.timeline.constants + this.timeline.most, time };
  }

  /** The nodes and what they read, to come back to. */
  snapshot(): () => void {
    const { graph, timeline } = this;
    const kept = graph.nodes.map((node) => [node, node.inputs] as const);
    return () => {
      graph.nodes = kept.map(([node, inputs]) => Object.assign(node, { inputs }));
      this.timeline = timeline;
    };
  }

  /** Computes some values again, of those that are alive where most is. @param bytes What a session is to take. @returns Whether there were any. */
  round(bytes: number): boolean {
    const { most, constants } = this.timeline;
    const chosen = this.chosen(most + constants - bytes);
    if (chosen.length === 0) return false;
    const inserted = new Map<number, Node[]>();
    const renamed = new Map<Value, { readonly copy: Value; readonly from: number }>();
    const readers = readersOf(this.graph);
    const isShared = (value: Value): boolean => (readers.get(value)?.length ?? 0) > 1;
    for (const { nodes, before } of chosen)
      inserted.set(before, [...(inserted.get(before) ?? []), ...this.copied(nodes, before, renamed, isShared)]);
    this.graph.nodes = this.graph.nodes.flatMap((node, i) => {
      const next = (value: Value | undefined): Value | undefined => {
        const other = value && renamed.get(value);
        return other && i >= other.from ? other.copy : value;
      };
      node.inputs = node.inputs.map(next);
      return [...(inserted.get(i) ?? []), node];
    });
    this.graph.nodes = neededNodes(this.graph.nodes, this.graph.outputs);
    this.timeline = timelineOf(checked(this.graph, 'computing values again'));
    return true;
  }

  private copied(
    nodes: readonly Node[],
    before: number,
    renamed: Map<Value, { copy: Value; from: number }>,
    isShared: (value: Value) => boolean,
  ): Node[] {
    const own = new Map<Value, Value>();
    const copies = copyNodes(nodes, own, (name) => `${name}.again`);
    for (const [value, copy] of own) {
      renamed.set(value, { copy, from: before });
      keepApart(value, copy, isShared(value));
    }
    for (const [i, node] of nodes.entries()) {
      const copy = copies[i] as Node;
      const origin = this.originOf(node);
      this.origins.set(copy, origin);
      // One copy is enough from here on.
      for (const later of this.laterCopies(node, before))
        for (const [j, value] of later.outputs.entries())
          if (value) renamed.set(value, { copy: copy.outputs[j] as Value, from: before });
      this.copies.set(origin, [...(this.copies.get(origin) ?? []), copy]);
    }
    return copies;
  }

  private readonly originOf = (node: Node): Node => this.origins.get(node) ?? node;

  /** Copies of the same node that are computed from some place on. */
  private laterCopies(node: Node, from: number): Node[] {
    const { place } = this.timeline;
    return (this.copies.get(this.originOf(node)) ?? []).filter(
      (copy) => copy !== node && (place.get(copy) ?? -1) >= from,
    );
  }

  /** The best candidates, whose copies have nothing to do with one another. @param wanted Bytes to be saved. */
  private chosen(wanted: number): Candidate[] {
    const chosen: Candidate[] = [];
    const [copied, read, gone] = [new Set<Node>(), new Set<Value>(), new Set<Value>()];
    const value = ({ bytes, seconds }: Candidate): number => bytes / seconds;
    const candidates = this.candidates().sort((a, b) => value(b) - value(a));
    let saved = 0;
    for (const candidate of candidates) {
      if (saved >= wanted || value(candidate) < AS_GOOD * value(candidates[0] as Candidate)) break;
      const { nodes, reads, bytes } = candidate;
      if (
        read.has(candidate.value) ||
        nodes.some((node) => copied.has(node)) ||
        [...reads].some((each) => gone.has(each))
      )
        continue;
      for (const node of nodes) copied.add(node);
      for (const each of reads) read.add(each);
      gone.add(candidate.value);
      chosen.push(candidate);
      saved += bytes;
    }
    return chosen;
  }

  /** Values that are alive where most is, are read later and could be computed again for that. */
  private candidates(): Candidate[] {
    const { nodes } = this.graph;
    const { ownerOf, last, at, most, place } = this.timeline;
    const next = new Map<Value, number>();
    const wanted = new Map<Value, Set<Value>>();
    for (let i = at + 1; i < nodes.length; i += 1)
      for (const input of (nodes[i] as Node).inputs) {
        const owner = input && ownerOf(input);
        if (!input || !owner?.producer || (place.get(owner.producer) as number) >= at || !last.has(owner)) continue;
        if (!next.has(owner)) next.set(owner, i);
        // Views that are made later are read again as well.
        if ((place.get(input.producer as Node) as number) <= at)
          wanted.set(owner, (wanted.get(owner) ?? new Set()).add(input));
      }
    const here = new Set((nodes[at] as Node).inputs.map((input) => input && ownerOf(input)));
    return [...next].flatMap(([value, before]) => {
      if (here.has(value) || bytesOf(value) < SMALL * most) return [];
      return this.candidate(value, wanted.get(value) ?? new Set(), before) ?? [];
    });
  }

  private candidate(value: Value, wanted: ReadonlySet<Value>, before: number): Candidate | undefined {
    const { ownerOf, last, place, alive, most } = this.timeline;
    const needed = new Set<Node>();
    const reads = new Set<Value>();
    const asked = [...wanted];
    for (let next = asked.pop(); next; next = asked.pop()) {
      const { producer } = next;
      if (!producer || needed.has(producer)) continue;
      const owner = ownerOf(next);
      const isThere = owner !== value && (!last.has(owner) || (last.get(owner) as number) >= before);
      if (isThere) reads.add(owner);
      else {
        if (needed.size >= LONGEST || !this.mayCopy(producer)) return undefined;
        needed.add(producer);
        for (const input of producer.inputs) if (input) asked.push(input);
      }
    }
    const nodes = [...needed].sort((a, b) => (place.get(a) as number) - (place.get(b) as number));
    if ((alive[before] as number) + this.transient(nodes, value) >= most) return undefined;
    const spared = nodes.flatMap((node) => this.laterCopies(node, before));
    const cost = Math.max(this.seconds(nodes) - this.seconds(spared), 1e-7);
    return { value, nodes, before, bytes: bytesOf(value), seconds: cost, reads };
  }

  private seconds(nodes: readonly Node[]): number {
    let sum = 0;
    for (const node of nodes) {
      const known = this.times.get(node);
      const time = known ?? secondsOf(node);
      if (known === undefined) this.times.set(node, time);
      sum += time;
    }
    return sum;
  }

  private mayCopy(node: Node): boolean {
    if (operatorOf(node)?.random !== undefined || operatorOf(node) === undefined) return false;
    if (Object.values(node.attributes).some(({ kind }) => kind === 'graph')) return false;
    return (this.copies.get(this.originOf(node))?.length ?? 0) < COPIES;
  }

  /** Bytes beside a value that are alive while copies compute it, at most. */
  private transient(nodes: readonly Node[], value: Value): number {
    const { ownerOf } = this.timeline;
    const lastOf = new Map<Value, number>();
    nodes.forEach(({ inputs, outputs }, i) => {
      for (const each of [...inputs, ...outputs]) if (each) lastOf.set(ownerOf(each), i);
    });
    const made = new Set<Value>();
    let [now, most] = [0, 0];
    for (const [i, node] of nodes.entries()) {
      for (const output of node.outputs) {
        if (!output || ownerOf(output) !== output || output === value) continue;
        made.add(output);
        now += bytesOf(output);
      }
      most = Math.max(most, now);
      for (const each of new Set([...node.inputs, ...node.outputs])) {
        const owner = each && ownerOf(each);
        if (owner && lastOf.get(owner) === i && made.delete(owner)) now -= bytesOf(owner);
      }
    }
    return most;
  }
}
