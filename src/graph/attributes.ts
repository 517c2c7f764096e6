/** Attributes of a node: tagged values, since ONNX tells the integer 1 from the float 1.0. */
import { GlobalPercError } from './errors.js';
import { type Attribute, type Attributes, type Body, describeNode, type Node } from './graph.js';
import type { ConstantData } from './types.js';

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const string = (value: string): Attribute => ({ kind: 'string', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const floats = (value: readonly number[]): Attribute => ({ kind: 'floats', value });

type AttributeOf<K extends Attribute['kind']> = Extract<Attribute, { kind: K }>;

/** Reads attributes with ONNX's defaults. Every getter throws a GlobalPercError on a wrong kind. */
export class AttributeReader {
  private readonly attributes: Attributes;
  private readonly where: () => string;

  constructor(attributes: Attributes, where: () => string) {
    this.attributes = attributes;
    this.where = where;
  }

  has(name: string): boolean {
    return this.attributes[name] !== undefined;
  }

  /** The attributes as they are, to emit the same node again. */
  all(): Attributes {
    return this.attributes;
  }

  int(name: string, fallback: number): number {
    return this.read(name, 'int')?.value ?? fallback;
  }

  float(name: string, fallback: number): number {
    return this.read(name, 'float')?.value ?? fallback;
  }

  string(name: string, fallback: string): string {
    return this.read(name, 'string')?.value ?? fallback;
  }

  ints(name: string): readonly number[] | undefined {
    return this.read(name, 'ints')?.value;
  }

  floats(name: string): readonly number[] | undefined {
    return this.read(name, 'floats')?.value;
  }

  strings(name: string): readonly string[] | undefined {
    return this.read(name, 'strings')?.value;
  }

  tensor(name: string): ConstantData | undefined {
    return this.read(name, 'tensor')?.value;
  }

  /** A branch or loop body. */
  graph(name: string): Body | undefined {
    return this.read(name, 'graph')?.value;
  }

  private read<K extends Attribute['kind']>(name: string, kind: K): AttributeOf<K> | undefined {
    const attribute = this.attributes[name];
    if (attribute === undefined) return undefined;
    if (attribute.kind !== kind) {
      throw new GlobalPercError(`${this.where()}: attribute '${name}' should be ${kind}, is ${attribute.kind}`, {
        code: 'invalid-model',
      });
    }
    return attribute as AttributeOf<K>;
  }
}

/** Typed access to the attributes of a node; errors name the node. */
export const attributesOf = (node: Node): AttributeReader =>
  new AttributeReader(node.attributes, () => describeNode(node));
