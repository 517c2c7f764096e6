/**
 * Sums of gradients some of whose summands are there long before the others, as those of hooks are. What is early is added up early, through products with
 * what is there as early, so that one tensor is kept in the place of several: c + g·(a + b) → (c + g·a) + g·b, where b is late.
 */
import {
  type Graph,
  isDifferentiable,
  type Node,
  neededNodes,
  readersOf,
  sameShape,
  sizeOf,
  Tensor,
  type Value,
} from '../../graph/index.js';
import { earliest, NEAR } from './schedule.js';

/** Smaller sums are left: what is no activation, so that images of all sizes have the same graph. */
const LARGE = 2 ** 6;

/** A summand, or what it is made of. */
interface Summand {
  readonly value: Value;
  /** How many early summands are in it. */
  readonly early: number;
  /** The summands of which it is the sum, or the one of which it is the product with `factor`; none where it is taken as it is. */
  readonly of: readonly Summand[];
  readonly factor?: Value;
}

/** Adds up early what can be, in place. */
export function sumEarly(graph: Graph): void {
  const { nodes } = graph;
  const sums = sumsOf(graph);
  graph.nodes = [];
  for (const node of nodes) {
    const sum = sums.get(node);
    if (sum) node.inputs = partsOf(sum, graph).map((part) => part?.value);
    graph.nodes.push(node);
  }
  graph.nodes = neededNodes(graph.nodes, graph.outputs);
}

/** The sums with several early summands, by their node. */
function sumsOf(graph: Graph): ReadonlyMap<Node, Summand> {
  const readers = readersOf(graph);
  const layers = earliest(graph.nodes);
  const layerOf = ({ producer }: Value): number => (producer && layers.get(producer)) ?? 0;
  const isOwn = (value: Value): boolean => readers.get(value)?.length === 1;
  const sums = new Map<Node, Summand>();
  const inside = new Set<Node>();
  for (const node of graph.nodes.toReversed()) {
    const [output] = node.outputs;
    if (node.op !== 'Add' || !output || !isLarge(output) || inside.has(node)) continue;
    const isEarly = (value: Value): boolean => layerOf(output) - layerOf(value) > NEAR;
    const sum = new Reading(output, isEarly, isOwn, inside).sum(output, node);
    if (sum.early > 1) sums.set(node, sum);
  }
  return sums;
}

const isLarge = ({ dtype, shape }: Value): boolean =>
  dtype !== undefined && isDifferentiable(dtype) && sizeOf(shape ?? []) >= LARGE;

/** One sum that is read. */
class Reading {
  /** @param inside The sums and products that it is made of, to which they are added. */
  constructor(
    private readonly output: Value,
    private readonly isEarly: (value: Value) => boolean,
    private readonly isOwn: (value: Value) => boolean,
    private readonly inside: Set<Node>,
  ) {}

  sum(value: Value, { inputs }: Node): Summand {
    return taken(
      value,
      inputs.map((input) => this.summand(input as Value)),
    );
  }

  private summand(value: Value): Summand {
    const { producer: node } = value;
    const whole = { value, early: 0, of: [] };
    // What others read, too, is kept in any case.
    if (!node || !this.isOwn(value) || !sameShape(value.shape ?? [], this.output.shape ?? [])) return whole;
    if (this.isEarly(value)) return { ...whole, early: 1 };
    this.inside.add(node);
    if (node.op === 'Add') return this.sum(value, node);
    const factor = node.op === 'Mul' ? node.inputs.find((input) => input && this.isFactor(input)) : undefined;
    const other = node.inputs.find((input) => input !== factor);
    return factor && other ? { ...taken(value, [this.summand(other)]), factor } : whole;
  }

  /** A mask is small where it is kept, and as a factor as large as a summand: nothing would be saved, and one product more computed. */
  private isFactor(value: Value): boolean {
    return this.isEarly(value) && value.producer?.op !== 'Cast';
  }
}

const taken = (value: Value, of: readonly Summand[]): Summand => ({
  value,
  early: of.reduce((sum, { early }) => sum + early, 0),
  of,
});

/** Writes the early and the late part of a sum. */
function partsOf({ value, early, of, factor }: Summand, graph: Graph): (Tensor | undefined)[] {
  const whole = new Tensor(graph, value);
  if (early === 0) return [undefined, whole];
  if (of.length === 0) return [whole, undefined];
  const parts = of.map((summand) => partsOf(summand, graph));
  return [0, 1].map((i) => {
    const [sum, other] = parts.flatMap((part) => part[i] ?? []);
    const all = sum && other ? sum.add(other) : sum;
    return all && factor ? all.mul(new Tensor(graph, factor)) : all;
  });
}
