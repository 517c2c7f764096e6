/**
 * One run of a module's `forward` on symbolic tensors: which graph tensors stand for its weights, what its buffers
 * become, and which modules were called.
 */
import { GlobalPercError, type Graph, type Node, Tensor, type Value } from '../graph/index.js';
import { Buffer, constantOfHeld, type Parameter } from './parameter.js';

/** What a trace must know of a module. */
export interface Traced {
  readonly className: string;
  children(): readonly Traced[];
  /** It and all below it by path. */
  namedModules(): Iterable<[string, Traced]>;
  namedState(): Iterable<[string, Parameter | Buffer]>;
}

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
  /** Of each graph: the student's, and those of modules that are used beside it. */
  private static readonly running = new WeakMap<Graph, Trace[]>();

  readonly graph: Graph;
  /** Whether its module is used beside the traced one: it is frozen, and in evaluation mode. */
  readonly isBeside: boolean;
  /** In execution order; a container comes after what it called. */
  readonly calls: TracedCall[] = [];
  /** What buffers hold after this run. */
  readonly updates = new Map<Buffer, Tensor>();
  private readonly bind: Bind;
  private readonly bound = new Map<Parameter | Buffer, Tensor>();
  private readonly paths: ReadonlyMap<Traced | Parameter | Buffer, string>;
  /** The modules whose `forward` runs, innermost last. */
  private readonly stack: Traced[] = [];

  constructor(graph: Graph, root: Traced, bind: Bind = asConstants, isBeside = false) {
    this.graph = graph;
    this.isBeside = isBeside;
    this.bind = bind;
    this.paths = new Map<Traced | Parameter | Buffer, string>([
      ...Array.from(root.namedModules(), ([path, module]) => [module, path] as const),
      ...Array.from(root.namedState(), ([path, held]) => [held, path] as const),
    ]);
    Trace.running.set(graph, [...(Trace.running.get(graph) ?? []), this]);
  }

  /**
   * The trace of a graph that a module belongs to; one of its own, with constant weights, for a module that is used beside the
   * traced one, such as a decoder in front of a loss.
   * @throws GlobalPercError for a module that another calls without having it among its fields.
   */
  static of(graph: Graph, module: Traced): Trace {
    const traces = Trace.running.get(graph) ?? [];
    const known = traces.find((trace) => trace.paths.has(module));
    if (known) return known;
    const caller = traces.flatMap((trace) => trace.stack).at(-1);
    if (caller) throw unregistered(module.className, caller);
    return new Trace(graph, module, asConstants, true);
  }

  /** The tensor of a weight, or the present one of a buffer. @throws GlobalPercError for one that is no field of a module. */
  read(held: Parameter | Buffer): Tensor {
    const known = held instanceof Buffer ? (this.updates.get(held) ?? this.bound.get(held)) : this.bound.get(held);
    if (known) return known;
    const path = this.paths.get(held);
    if (path === undefined) throw unregistered(held.constructor.name, this.stack.at(-1));
    const tensor = this.bind(path, held, this.graph);
    this.bound.set(held, tensor);
    return tensor;
  }

  /** Dotted path of a module, weight or buffer; `''` for the traced module and for what is not part of it. */
  pathOf(part: Traced | Parameter | Buffer): string {
    return this.paths.get(part) ?? '';
  }

  /** Runs a module's `forward` as a call of that module. */
  call<Result>(module: Traced, forward: () => Result): Result {
    const path = this.pathOf(module);
    const { graph } = this;
    const [outer, first] = [graph.scope, graph.nodes.length];
    graph.scope = path;
    this.stack.push(module);
    try {
      const result = forward();
      this.record(module, path, Array.isArray(result) ? result[0] : result, graph.nodes.slice(first));
      return result;
    } finally {
      graph.scope = outer;
      this.stack.pop();
    }
  }

  private record(module: Traced, path: string, output: unknown, nodes: readonly Node[]): void {
    if (!(output instanceof Tensor)) return;
    const call = this.calls.filter((other) => other.path === path).length;
    const leaf = module.children().length === 0;
    this.calls.push({ path, class: module.className, call, leaf, output: output.value, nodes });
  }
}

function unregistered(what: string, caller: Traced | undefined): GlobalPercError {
  const list = what === 'Parameter' || what === 'Buffer' ? 'ParameterList' : 'ModuleList';
  return new GlobalPercError(
    `${caller?.className ?? 'a module'} uses a ${what} that is not among its fields, so it would neither train nor be saved: ` +
      `arrays, #private fields and closures are not seen; make it a field, or several a field that is a new nn.${list}([…])`,
    { code: 'invalid-option' },
  );
}
