/** What module recovery finds. */
import type { Node, Value } from '../graph/index.js';

/** One call of one module: what a forward hook in PyTorch would see. */
export interface ModuleCall {
  /** Dotted path, as in PyTorch's `named_modules`. */
  readonly path: string;
  /** Class name, e.g. `Conv2d`; `Module` where the file does not tell. */
  readonly class: string;
  /** Class with its Python module, e.g. `torch.nn.modules.conv.Conv2d`, where the file tells. */
  readonly qualifiedClass?: string;
  /** The layer of torch.nn that the class is a subclass of, as far as the file tells: `Conv2d` for `ScaledStdConv2d`. */
  readonly baseClass?: string;
  /** 0 for the first call of this path, 1 for the second, … */
  readonly call: number;
  /** True when the module has no children. */
  readonly leaf: boolean;
  /** What the module returns. */
  readonly output: Value;
  /** The nodes between its input and its output, those of its children included, in execution order. */
  readonly nodes: readonly Node[];
  /** The convolution that the exporter merged into this BatchNorm: the output is that of both. */
  readonly folded?: { readonly path: string; readonly class: string };
}

/** One module around a node. */
export interface Scope {
  readonly path: string;
  /** As the file gives it; absent where classes are told by patterns. */
  readonly qualifiedClass?: string;
}

/** The modules around a node, outermost first, without the root. */
export interface NodeScopes {
  readonly scopes: readonly Scope[];
  /** Equal for the nodes of one call of the innermost module; absent where the file does not number calls. */
  readonly instance?: string;
  /** The call of a PyTorch operator that the node was written for, and that operator: `conv2d_1`, `aten.conv2d.default`. */
  readonly operator?: { readonly name: string; readonly kind: string };
}

/** The scopes of all nodes of a file; a node without entry stands in no known module. */
export type ScopeMap = ReadonlyMap<Node, NodeScopes>;

/** Nodes of one call, before its class and output are known. */
export interface CallNodes {
  readonly scope: Scope;
  readonly nodes: readonly Node[];
  /** True when modules inside it run. */
  readonly hasChildren: boolean;
}
