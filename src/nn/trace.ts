/**
 * One run of a module's `forward` on symbolic tensors: which graph tensors stand for its weights, what its buffers
 * become, and which modules were called.
 */
import { type Graph, type Node, Tensor, type Value } from '../graph/index.js';
import type { Module } from './module.js';
import { Buffer, constantOfHeld, type Parameter } from './parameter.js';

/** One call of a module while it was traced; the student's counterpart of a call found in an imported model. */
export interface TracedCall {
  /** Dotted path as in PyTorch's `named_modules`; `''` is the traced module itself. */
  readonly path: string;
  readonly class: string;
  /** 0 for the first call of this module, 1 for the second, … */
  readonly call: number;
  /** True when it has no child modules. */
  readonly leaf: boolean;
  readonly output: Value;
  /** The nodes it emitted, those of its children included. */
  readonly nodes: readonly Node[];
}

/** Makes the tensor that stands for a weight or buffer in the graph. */
export type Bind = (path: string, held: Parameter | Buffer, graph: Graph) => Tensor;

/** Weights become constants: the module as it is now. */
export const asConstants: Bind = (path, held, graph) => graph.constant(constantOfHeld(held), path);

export class Trace {
  private static readonly running = new WeakMap<Graph, Trace>();

  readonly graph: Graph;
  /** In execution order; a container comes after what it called. */
  readonly calls: TracedCall[] = [];
  /** What buffers hold after this run. */
  readonly updates = new Map<Buffer, Tensor>();
  private readonly bind: Bind;
  private readonly bound = new Map<Parameter | Buffer, Tensor>();
  private readonly paths: ReadonlyMap<Module | Parameter | Buffer, string>;

  constructor(graph: Graph, root: Module, bind: Bind = asConstants) {
    this.graph = graph;
    this.bind = bind;
    this.paths = new Map<Module | Parameter | Buffer, string>([
      ...Array.from(root.namedModules(), ([path, module]) => [module, path] as const),
      ...Array.from(root.namedState(), ([path, held]) => [held, path] as const),
    ]);
    Trace.running.set(graph, this);
  }

  /** The trace a graph is being built by; a module called on a graph without one is traced with constant weights. */
  static of(graph: Graph, root: Module): Trace {
    return Trace.running.get(graph) ?? new Trace(graph, root);
  }

  /** The tensor of a weight, or the present one of a buffer. */
  read(held: Parameter | Buffer): Tensor {
    const known = held instanceof Buffer ? (this.updates.get(held) ?? this.bound.get(held)) : this.bound.get(held);
    if (known) return known;
    const tensor = this.bind(this.pathOf(held), held, this.graph);
    this.bound.set(held, tensor);
    return tensor;
  }

  /** Dotted path of a module, weight or buffer; `''` for the traced module and for what is not part of it. */
  pathOf(part: Module | Parameter | Buffer): string {
    return this.paths.get(part) ?? '';
  }

  /** Runs a module's `forward` as a call of that module. */
  call<Result>(module: Module, forward: () => Result): Result {
    const path = this.pathOf(module);
    const { graph } = this;
    const [outer, first] = [graph.scope, graph.nodes.length];
    graph.scope = path;
    try {
      const result = forward();
      this.record(module, path, Array.isArray(result) ? result[0] : result, graph.nodes.slice(first));
      return result;
    } finally {
      graph.scope = outer;
    }
  }

  private record(module: Module, path: string, output: unknown, nodes: readonly Node[]): void {
    if (!(output instanceof Tensor)) return;
    const call = this.calls.filter((other) => other.path === path).length;
    const leaf = module.children().length === 0;
    this.calls.push({ path, class: module.className, call, leaf, output: output.value, nodes });
  }
}
