/**
 * The intermediate representation: a graph of ONNX nodes over named values, in topological order.
 * It holds structure only; what an op means lives in `ops/`. Nodes are made and changed by `builder.ts` and `edit.ts`.
 *
 * Values are told apart by identity. The names of a graph's inputs and outputs are its interface: no two are equal, and a
 * written file keeps them. Those of all other values are suggestions, which the writer makes unique beside them.
 */
import { GlobalPercError } from './errors.js';
import type { ConstantData, DataType, Shape, TensorType } from './types.js';

/** One attribute. `unsupported` keeps the kind's name for the message. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: ConstantData }
  /** A branch or loop body. What it reads from around it is also among the inputs of its node, behind the operator's own. */
  | { readonly kind: 'graph'; readonly value: Body }
  | { readonly kind: 'unsupported'; readonly value: string };

export type Attributes = Readonly<Record<string, Attribute>>;

/** Nodes between inputs and outputs: a whole graph, or a branch or loop body in one. */
export interface Body {
  inputs: Value[];
  outputs: Value[];
  nodes: Node[];
}

/** One tensor in the graph: an input, a constant, or the output of a node. */
export interface Value {
  name: string;
  /** Unknown until shapes are specialised, for values of an imported model. */
  dtype?: DataType;
  shape?: Shape;
  /** Dimensions as a model file declares its inputs and outputs: a name stands for an open one, '?' for a nameless one. */
  declaredShape?: readonly (number | string)[];
  /** The node that computes it; absent for inputs and constants. */
  producer?: Node;
  /** Its data, when it is known at compile time. */
  constant?: ConstantData;
  /** A constant that a file gives as a literal among its nodes, not as a weight. */
  literal?: true;
}

/** One call of an ONNX operator. */
export interface Node {
  readonly op: string;
  /** `''` for the standard operators. */
  readonly domain: string;
  /** Name in the file, for messages and module recovery. */
  readonly name: string;
  /** `undefined` marks an optional input that is left out. */
  inputs: (Value | undefined)[];
  outputs: (Value | undefined)[];
  readonly attributes: Attributes;
  /** `metadata_props` of the file. */
  metadata?: Readonly<Record<string, string>>;
  /** Dotted path of the module this node stands in, once recovered. */
  modulePath?: string;
  /** The operator of the file that this node and others were written for, and the one of them that does its work. */
  rewriting?: { readonly main: Node; readonly nodes: readonly Node[] };
  /** What a `Placeholder` stands for: symbolic tensors in place of its outputs, for such in place of its inputs. */
  readonly expansion?: ((inputs: readonly object[]) => readonly object[]) | undefined;
}

/** What `emit` takes beyond op and inputs. */
export interface EmitOptions {
  readonly outputs?: number;
  readonly domain?: string;
  readonly name?: string;
  readonly modulePath?: string | undefined;
  /** Types of the outputs, where they are already known. */
  readonly types?: readonly TensorType[];
}

/** A graph whose values are handled as tensors of class `T`. */
export interface GraphOf<T> extends Body {
  /** Module path that nodes get while a module is traced. */
  scope: string | undefined;
  /**
   * Declares a graph input of static shape.
   * @throws GlobalPercError when another input or output has that name.
   */
  input(name: string, dtype: DataType, shape: Shape): T;
  /** Declares a graph output under the given name. Throws as `input` does. */
  output(name: string, tensor: T): void;
  /** Adds a constant. Scalars and short index lists are shared between uses. */
  constant(data: ConstantData, name?: string): T;
  /** A scalar constant of the given dtype. */
  scalar(value: number, dtype: DataType): T;
  /** A one-dimensional int64 constant: axes, shapes, indices. */
  ints(values: readonly number[]): T;
  /**
   * Appends a node, infers its output types, and returns the outputs.
   * @throws GlobalPercError when the operator is not known, or its inputs do not fit.
   */
  emit(op: string, inputs: readonly (T | undefined)[], attributes?: Attributes, options?: EmitOptions): T[];
  /** The types of a node's outputs; `undefined` for an operator that is not known. Throws as `emit` does. */
  infer(node: Node): readonly TensorType[] | undefined;
}

/**
 * The domain of nodes that mean something here and nothing in a file: `Detach`, which computes as Identity does and stops the
 * gradient, `Attention` with its gradient, and `Placeholder`. They are written as standard operators.
 */
export const INTERNAL_DOMAIN = 'globalperc.internal';

/** True for the node that `Tensor.detach` makes. */
export const isDetach = ({ op, domain }: Node): boolean => domain === INTERNAL_DOMAIN && op === 'Detach';

/** True for the operators that read a tensor's dimensions and none of its elements. */
export const readsOnlyShape = ({ op }: Node): boolean => op === 'Shape' || op === 'Size';

/** How messages name a node: op, name in the file, and module path where known. */
export function describeNode(node: Node): string {
  const op = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
  const where = node.modulePath ? ` in module '${node.modulePath}'` : '';
  return `${op} '${node.name}'${where}`;
}

/** A node of a file that lacks what every node of its operator has. @param inputs those that its rule reads. */
export function wrongInputs(node: Node, inputs: readonly (Value | undefined)[], cause: unknown): GlobalPercError {
  const given = inputs.map((input) => (input ? `[${input.shape}]` : 'none')).join(', ');
  const message = `${describeNode(node)}: the inputs ${given} are not those of a ${node.op}; export the model again`;
  return new GlobalPercError(message, { code: 'invalid-model', cause });
}
