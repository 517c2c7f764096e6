/**
 * The intermediate representation: a graph of ONNX nodes over named values, in topological order.
 * It holds structure only; what an op means lives in `ops/`, which is handed in as the `infer` function.
 */
import { AttributeReader, type Attributes } from './attributes.js';
import { GlobalPercError } from './errors.js';
import { Tensor } from './tensor.js';
import { type ConstantData, constantOf, type DataType, type Shape, sizeOf, type TensorType } from './types.js';

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
  /** No gradient flows through it. */
  detached?: true;
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
}

/** Computes the type of every output of a node; supplied by `ops/`. */
export type InferFunction = (node: Node, inputs: readonly (Tensor | undefined)[]) => readonly TensorType[];

/** What `Graph.emit` takes beyond op and inputs. */
export interface EmitOptions {
  readonly outputs?: number;
  readonly domain?: string;
  readonly name?: string;
  readonly modulePath?: string | undefined;
  /** Types of the outputs, where they are already known. */
  readonly types?: readonly TensorType[];
}

export class Graph {
  inputs: Value[] = [];
  outputs: Value[] = [];
  nodes: Node[] = [];
  /** Module path that nodes get while a module is traced. */
  scope: string | undefined;
  private counter = 0;
  private readonly scalars = new Map<string, Value>();
  private readonly infer: InferFunction;

  constructor(infer: InferFunction) {
    this.infer = infer;
  }

  /** Declares a graph input of static shape. */
  input(name: string, dtype: DataType, shape: Shape): Tensor {
    const value: Value = { name, dtype, shape: [...shape] };
    this.inputs.push(value);
    return new Tensor(this, value);
  }

  /** Declares a graph output under the given name. */
  output(name: string, tensor: Tensor): void {
    const [named] = this.emit('Identity', [tensor]);
    if (named === undefined) throw new GlobalPercError('Identity has no output');
    named.value.name = name;
    this.outputs.push(named.value);
  }

  /** Adds a constant. Scalars and short index lists are shared between uses. */
  constant(data: ConstantData, name?: string): Tensor {
    if (name !== undefined || sizeOf(data.shape) > 8) {
      return new Tensor(this, { name: name ?? this.freshName('constant'), ...typeOf(data), constant: data });
    }
    const key = `${data.dtype}[${data.shape}]:${data.bytes}`;
    let value = this.scalars.get(key);
    if (value === undefined) {
      value = { name: this.freshName('constant'), ...typeOf(data), constant: data };
      this.scalars.set(key, value);
    }
    return new Tensor(this, value);
  }

  /** A scalar constant of the given dtype. */
  scalar(value: number, dtype: DataType): Tensor {
    return this.constant(constantOf(dtype, [], [value]));
  }

  /** A one-dimensional int64 constant: axes, shapes, indices. */
  ints(values: readonly number[]): Tensor {
    return this.constant(constantOf('int64', [values.length], values));
  }

  /** Appends a node, infers its output types, and returns the outputs. */
  emit(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    attributes: Attributes = {},
    options: EmitOptions = {},
  ): Tensor[] {
    const modulePath = options.modulePath ?? this.scope;
    const node: Node = {
      op,
      domain: options.domain ?? '',
      name: options.name ?? this.freshName(op),
      inputs: inputs.map((tensor) => tensor?.value),
      outputs: [],
      attributes,
      ...(modulePath === undefined ? {} : { modulePath }),
    };
    const count = options.outputs ?? 1;
    node.outputs = Array.from({ length: count }, () => ({ name: this.freshName(op.toLowerCase()), producer: node }));
    const types = options.types ?? this.infer(node, inputs);
    if (types.length < count) {
      throw new GlobalPercError(`${describeNode(node)}: ${count} outputs asked for, ${types.length} inferred`);
    }
    this.nodes.push(node);
    return node.outputs.map((value, i) => new Tensor(this, Object.assign(value as Value, types[i])));
  }

  /** A name no other value or node of this graph has been given by `freshName`. */
  freshName(prefix: string): string {
    this.counter += 1;
    return `${prefix}_${this.counter}`;
  }
}

const typeOf = ({ dtype, shape }: TensorType): TensorType => ({ dtype, shape });

/** Typed access to the attributes of a node; errors name the node. */
export const attributesOf = (node: Node): AttributeReader =>
  new AttributeReader(node.attributes, () => describeNode(node));

/** True for the operators that read a tensor's dimensions and none of its elements. */
export const readsOnlyShape = ({ op }: Node): boolean => op === 'Shape' || op === 'Size';

/** How messages name a node: op, name in the file, and module path where known. */
export function describeNode(node: Node): string {
  const op = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
  const where = node.modulePath ? ` in module '${node.modulePath}'` : '';
  return `${op} '${node.name}'${where}`;
}
