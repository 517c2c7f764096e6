/** A node while it is rewritten: its parts can be changed, and nodes put before and after it. */
import {
  type Attribute,
  AttributeReader,
  type ConstantData,
  constantOf,
  describeNode,
  GlobalPercError,
  makeNode,
  type Node,
  type Value,
} from '../graph/index.js';

/** Writes an operator in others; gives its outputs. */
export type Expansion = (draft: Draft) => readonly (Value | undefined)[];

/** Expansions by operator, within one domain. */
export type Expansions = Readonly<Record<string, Expansion>>;

export class Draft {
  op: string;
  inputs: (Value | undefined)[];
  outputs: (Value | undefined)[];
  readonly attributes: Record<string, Attribute>;
  private readonly original: Node;
  private readonly source: string;
  private readonly before: Node[] = [];
  private readonly after: Node[] = [];

  /** @param source The file, for messages. */
  constructor(node: Node, source: string) {
    this.original = node;
    this.source = source;
    this.op = node.op;
    this.inputs = [...node.inputs];
    this.outputs = [...node.outputs];
    this.attributes = { ...node.attributes };
  }

  /** Typed access to the attributes as they are now. */
  get read(): AttributeReader {
    return new AttributeReader(this.attributes, () => this.where);
  }

  /** How messages name the node, and its file. */
  get where(): string {
    return `${this.source}: ${describeNode(this.original)}`;
  }

  /** The error for a form that has no expansion. */
  unsupported(what: string): GlobalPercError {
    const remedy =
      this.original.domain === ''
        ? 'export the model with an older opset'
        : "export it without ONNX Runtime's optimisations";
    return new GlobalPercError(`${this.where}: ${what} is not supported; ${remedy}`, { code: 'unsupported-operator' });
  }

  /** @throws GlobalPercError when one of these inputs, named by position, is given. */
  refuseInputs(names: Readonly<Record<number, string>>): void {
    for (const [position, name] of Object.entries(names))
      if (this.inputs[Number(position)] !== undefined) throw this.unsupported(`its input ${name}`);
  }

  /** A constant that belongs to this node. */
  constant(what: string, data: ConstantData): Value {
    return { name: this.nameOf(what), dtype: data.dtype, shape: data.shape, constant: data };
  }

  /** A one-dimensional int64 constant. */
  ints(what: string, values: readonly number[]): Value {
    return this.constant(what, constantOf('int64', [values.length], values));
  }

  /** A scalar constant of the first input's dtype; float32 while that is not known. */
  scalar(what: string, value: number): Value {
    return this.constant(what, constantOf(this.inputs[0]?.dtype ?? 'float32', [], [value]));
  }

  /** Moves a list of integers from an attribute to an input; does nothing where the attribute is left out. */
  moveInts(attribute: string, input: number): void {
    const values = this.read.ints(attribute);
    delete this.attributes[attribute];
    if (values) this.setInput(input, this.ints(attribute, values));
  }

  /** Moves a number from an attribute to an input; does nothing where the attribute is left out. */
  moveFloat(attribute: string, input: number): void {
    const value = this.read.has(attribute) ? this.read.float(attribute, 0) : undefined;
    delete this.attributes[attribute];
    if (value !== undefined) this.setInput(input, this.scalar(attribute, value));
  }

  /** Sets an input, leaving those between it and the last one out. */
  setInput(index: number, value: Value): void {
    while (this.inputs.length < index) this.inputs.push(undefined);
    this.inputs[index] = value;
  }

  /** Puts a node before this one and returns its output. */
  prepend(op: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Value {
    const output: Value = { name: this.nameOf(`${op}_${this.before.length}`) };
    this.before.push(this.helper(op, inputs, output, attributes));
    return output;
  }

  /** Σ of the terms that are given. */
  sum(first: Value, ...terms: readonly (Value | undefined)[]): Value {
    return terms.reduce<Value>((total, term) => (term ? this.prepend('Add', [total, term]) : total), first);
  }

  /** Puts a node of several outputs before this one and returns them. */
  prependAll(op: string, inputs: readonly Value[], count: number, attributes: Record<string, Attribute>): Value[] {
    const name = this.nameOf(`${op}_${this.before.length}`);
    const outputs = Array.from({ length: count }, (_, i) => ({ name: `${name}_${i}` }));
    const [first] = outputs as [Value];
    this.before.push({ ...this.helper(op, inputs, first, attributes), outputs });
    return outputs;
  }

  /** Puts a node behind an output, the first by default, and lets it compute the value that others read. */
  append(
    op: string,
    inputsAfterFirst: readonly (Value | undefined)[],
    attributes: Record<string, Attribute> = {},
    position = 0,
  ): void {
    const final = this.outputs[position];
    if (final === undefined) return;
    const raw: Value = { name: this.nameOf(position === 0 ? 'raw' : `raw_${position}`) };
    this.outputs[position] = raw;
    this.after.push(this.helper(op, [raw, ...inputsAfterFirst], final, attributes));
  }

  /** The nodes put before this one, which computes no more itself: these values are its outputs. */
  finishWith(values: readonly (Value | undefined)[]): Node[] {
    this.original.outputs.forEach((output, i) => {
      const value = values[i];
      if (output === undefined) return;
      if (value === undefined) throw this.unsupported(`its output ${i}`);
      // Their name tells the module, which need not be that of the node: a convolution computes what a ReLU returned.
      for (const node of this.before.filter(({ outputs }) => outputs.includes(value)))
        Object.assign(node, { name: `${output.name}.${node.op}` });
      this.after.push({ ...this.helper('Identity', [value], output, {}), name: `${output.name}.Identity` });
    });
    const nodes = [...this.before, ...this.after];
    for (const node of nodes) for (const output of node.outputs) if (output) output.producer = node;
    return nodes;
  }

  /** The finished nodes, in order. */
  finish(): Node[] {
    const { original, op, inputs, outputs, attributes } = this;
    const main: Node = { ...original, op, inputs, outputs, attributes };
    const nodes = [...this.before, main, ...this.after];
    if (nodes.length > 1) for (const node of nodes) node.rewriting = { main, nodes };
    for (const node of nodes) for (const output of node.outputs) if (output) output.producer = node;
    return nodes;
  }

  private helper(
    op: string,
    inputs: readonly (Value | undefined)[],
    output: Value,
    attributes: Record<string, Attribute>,
  ): Node {
    const { metadata } = this.original;
    const name = `${this.original.name}.${op}_${this.before.length + this.after.length}`;
    return makeNode({ op, name, inputs, outputs: [output], attributes, metadata });
  }

  /** With a colon: what stands behind a dot is the name of a module's weight. */
  private nameOf(what: string): string {
    return `${this.original.outputs.find((output) => output)?.name ?? this.original.name}:${what}`;
  }
}
