/** The graph that is built by calling it: every method appends to it. */
import { makeNode } from './edit.js';
import { GlobalPercError, kindOf } from './errors.js';
import { type Attributes, describeNode, type EmitOptions, type Node, type Value } from './graph.js';
import { type Graph, Tensor } from './tensor.js';
import { type ConstantData, constantOf, type DataType, type Shape, sizeOf, type TensorType } from './types.js';

/** Computes the type of every output of a node, `undefined` for an unknown operator; supplied by `ops/`. */
export type InferFunction = (node: Node, inputs: readonly (Tensor | undefined)[]) => readonly TensorType[] | undefined;

/** Constants of at most this many elements are shared between uses. */
const SHARED_UP_TO = 8;

export class GraphBuilder implements Graph {
  inputs: Value[] = [];
  outputs: Value[] = [];
  nodes: Node[] = [];
  scope: string | undefined;
  private counter = 0;
  private readonly shared = new Map<string, Value>();
  private readonly inferTypes: InferFunction;

  constructor(infer: InferFunction = () => undefined) {
    this.inferTypes = infer;
  }

  input(name: string, dtype: DataType, shape: Shape): Tensor {
    this.requireFree(name);
    const value: Value = { name, dtype, shape: [...shape] };
    this.inputs.push(value);
    return new Tensor(this, value);
  }

  output(name: string, tensor: Tensor): void {
    this.requireFree(name);
    const { value } = this.emit('Identity', [tensor])[0] as Tensor;
    value.name = name;
    this.outputs.push(value);
  }

  private requireFree(name: string): void {
    if ([...this.inputs, ...this.outputs].some((value) => value.name === name))
      throw new GlobalPercError(
        `two inputs or outputs of one graph are called '${name}': a model's input that stays open needs another name`,
        { code: 'invalid-model' },
      );
  }

  constant(data: ConstantData, name?: string): Tensor {
    if (name !== undefined || sizeOf(data.shape) > SHARED_UP_TO)
      return new Tensor(this, this.constantValue(data, name));
    const key = `${data.dtype}[${data.shape}]:${data.bytes}`;
    const value = this.shared.get(key) ?? this.constantValue(data);
    this.shared.set(key, value);
    return new Tensor(this, value);
  }

  private constantValue(data: ConstantData, name = this.freshName('constant')): Value {
    return { name, dtype: data.dtype, shape: data.shape, constant: data };
  }

  scalar(value: number, dtype: DataType): Tensor {
    return this.constant(constantOf(dtype, [], [value]));
  }

  ints(values: readonly number[]): Tensor {
    return this.constant(constantOf('int64', [values.length], values));
  }

  emit(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    attributes: Attributes = {},
    options: EmitOptions = {},
  ): Tensor[] {
    const { outputs: count = 1, domain, name = this.freshName(op), modulePath = this.scope } = options;
    this.requireOwn(op, inputs);
    const node = makeNode({
      op,
      domain,
      name,
      inputs: inputs.map((tensor) => tensor?.value),
      outputs: Array.from({ length: count }, () => ({ name: this.freshName(op.toLowerCase()) })),
      attributes,
      modulePath,
    });
    const types = options.types ?? this.infer(node);
    if (types === undefined)
      throw new GlobalPercError(`${describeNode(node)}: this operator is not known`, { code: 'unsupported-operator' });
    if (types.length < count) {
      throw new GlobalPercError(`${describeNode(node)}: ${count} outputs asked for, ${types.length} inferred`, {
        code: 'invalid-model',
      });
    }
    this.nodes.push(node);
    return node.outputs.map((value, i) => new Tensor(this, Object.assign(value as Value, types[i])));
  }

  /** Plain JavaScript may pass anything for a tensor, and one of another graph would be missing from this one's file. */
  private requireOwn(op: string, inputs: readonly unknown[]): void {
    for (const [i, tensor] of inputs.entries()) {
      if (tensor === undefined) continue;
      const isTensor = tensor instanceof Tensor;
      if (isTensor && (tensor.graph === this || tensor.value.constant)) continue;
      const got = isTensor ? `'${tensor.value.name}' [${tensor.value.shape}] of another graph` : kindOf(tensor);
      throw new GlobalPercError(
        `${op}${this.scope ? ` in module '${this.scope}'` : ''}: input ${i} should be a symbolic tensor of this graph, got ${got}; ` +
          'combine tensors of one forward alone, and make data one by x.constant(values, shape)',
        { code: 'invalid-argument' },
      );
    }
  }

  infer(node: Node): readonly TensorType[] | undefined {
    return this.inferTypes(
      node,
      node.inputs.map((value) => value && new Tensor(this, value)),
    );
  }

  private freshName(prefix: string): string {
    this.counter += 1;
    return `${prefix}_${this.counter}`;
  }
}
