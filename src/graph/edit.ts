/** Making and changing nodes: whoever does so goes through here, so that `producer` is true everywhere. */
import type { Attribute, Attributes, Body, Node, Value } from './graph.js';
import type { ConstantData } from './types.js';

/** What a node is made of; what is left out is empty. */
export interface NodeParts {
  readonly op: string;
  readonly domain?: string | undefined;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  /** Values that no node computes yet. */
  readonly outputs: readonly (Value | undefined)[];
  readonly attributes?: Attributes;
  readonly metadata?: Node['metadata'] | undefined;
  readonly modulePath?: string | undefined;
  readonly expansion?: Node['expansion'];
}

/** A node, as the producer of its outputs. */
export function makeNode({
  domain = '',
  attributes = {},
  inputs,
  outputs,
  metadata,
  modulePath,
  expansion,
  ...rest
}: NodeParts): Node {
  const node: Node = {
    op: rest.op,
    domain,
    name: rest.name,
    inputs: [...inputs],
    outputs: [...outputs],
    attributes,
    ...(metadata && { metadata }),
    ...(modulePath === undefined ? {} : { modulePath }),
    ...(expansion && { expansion }),
  };
  for (const output of outputs) if (output) output.producer = node;
  return node;
}

/** A node of one new value, which it is called after. */
export function makeValue(
  op: string,
  name: string,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes = {},
): { readonly node: Node; readonly value: Value } {
  const value: Value = { name };
  return { node: makeNode({ op, name, inputs, outputs: [value], attributes }), value };
}

/** A constant. */
export const makeConstant = (name: string, constant: ConstantData): Value => ({
  name,
  dtype: constant.dtype,
  shape: constant.shape,
  constant,
});

/**
 * Copies of some nodes, with values of their own; so are branches and loop bodies in them, but for the inputs of those.
 * @param copies The counterparts of values that others compute; those of the nodes' outputs are added.
 * @param renamed Names of the copies, by those of the originals.
 */
export function copyNodes(
  nodes: readonly Node[],
  copies: Map<Value, Value>,
  renamed: (name: string) => string = (name) => name,
): Node[] {
  return nodes.map((node) => {
    const inputs = node.inputs.map((value) => value && (copies.get(value) ?? value));
    const outputs = node.outputs.map((value) => {
      if (value === undefined) return undefined;
      const { producer: _, ...copy } = value;
      copy.name = renamed(value.name);
      copies.set(value, copy);
      return copy;
    });
    return makeNode({
      ...node,
      name: renamed(node.name),
      inputs,
      outputs,
      attributes: copyBodies(node, copies, renamed),
    });
  });
}

function copyBodies({ attributes }: Node, copies: Map<Value, Value>, renamed: (name: string) => string): Attributes {
  const copied = Object.entries(attributes).map(([name, attribute]): [string, Attribute] => {
    if (attribute.kind !== 'graph') return [name, attribute];
    const { inputs, outputs } = attribute.value;
    const nodes = copyNodes(attribute.value.nodes, copies, renamed);
    const results = outputs.map((value) => copies.get(value) ?? value);
    return [name, { kind: 'graph', value: { inputs: [...inputs], outputs: results, nodes } }];
  });
  return Object.fromEntries(copied);
}

/** Puts nodes behind another one. */
export function insertAfter({ nodes }: Body, node: Node, ...added: readonly Node[]): void {
  nodes.splice(nodes.indexOf(node) + 1, 0, ...added);
}

/** Drops nodes; what they computed is given from now on. */
export function dropNodes(graph: Body, dropped: ReadonlySet<Node>): void {
  graph.nodes = graph.nodes.filter((node) => !dropped.has(node));
  for (const { outputs } of dropped) for (const output of outputs) if (output) delete output.producer;
}

/** A name like this one that is not taken; takes it. */
export function uniqueName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let i = 1; taken.has(name); i += 1) name = `${wanted}.${i}`;
  taken.add(name);
  return name;
}
