/** What depends on the input's data, and who reads what. */
import { type Graph, type Node, readsOnlyShape, type Value } from '../graph/index.js';

/**
 * The part of a graph that computes with the input's data. Shape arithmetic and prepared weights, which exporters
 * leave in the graph in ever new forms, are no part of what a module does.
 */
export class DataFlow {
  /** Nodes that depend on the input's data, in execution order. */
  readonly nodes: readonly Node[];
  private readonly positions = new Map<Node, number>();
  private readonly dataReaders = new Map<Value, Node[]>();
  private readonly dependent: Set<Value>;
  private readonly outputs: ReadonlySet<Value>;

  /** @param members The nodes that take the place of those that depend on the input's data. */
  constructor(graph: Graph, members?: ReadonlySet<Node>) {
    this.dependent = new Set(members ? [] : graph.inputs);
    this.outputs = new Set(graph.outputs);
    this.nodes = graph.nodes.filter((node) => this.visit(node, members));
    for (const [i, node] of this.nodes.entries()) this.positions.set(node, i);
  }

  private visit(node: Node, members: ReadonlySet<Node> | undefined): boolean {
    if (readsOnlyShape(node)) return false;
    const inputs = node.inputs.filter((input) => input !== undefined && this.dependent.has(input)) as Value[];
    for (const input of inputs) this.dataReaders.set(input, [...this.readers(input), node]);
    if (members ? !members.has(node) : inputs.length === 0) return false;
    for (const output of node.outputs) if (output) this.dependent.add(output);
    return true;
  }

  /** True when the value changes with the input's data. */
  depends(value: Value | undefined): boolean {
    return value !== undefined && this.dependent.has(value);
  }

  /** Index in `nodes`; -1 for a node that is not among them. */
  position(node: Node | undefined): number {
    return (node && this.positions.get(node)) ?? -1;
  }

  /** Nodes that compute with the elements of a value. */
  readers(value: Value): readonly Node[] {
    return this.dataReaders.get(value) ?? [];
  }

  /** The nodes that compute the inputs of a node. */
  producers(node: Node): Node[] {
    return node.inputs.flatMap((input) => (input?.producer && this.depends(input) ? [input.producer] : []));
  }

  /** True when a value is read outside the given nodes, or is an output of the graph. */
  leaves(value: Value, nodes: ReadonlySet<Node>): boolean {
    return this.outputs.has(value) || this.readers(value).some((reader) => !nodes.has(reader));
  }

  /** The last value that leaves a group of nodes; where none does, the last one computed. */
  outputOf(nodes: readonly Node[]): Value | undefined {
    const inside = new Set(nodes);
    const leaving = (node: Node): Value | undefined =>
      node.outputs.find((value) => value !== undefined && this.leaves(value, inside));
    const last = nodes.findLast((node) => leaving(node) !== undefined);
    return last ? leaving(last) : nodes.at(-1)?.outputs.find((value) => value !== undefined);
  }
}
