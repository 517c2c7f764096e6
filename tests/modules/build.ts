/** Small graphs, written as a list of nodes. */
import { constantOf, type Graph, type Node, type Value } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';

/** Operator, name in the file, inputs (`x` is the graph's; unknown names are weights), dynamo scopes as `path:class`, call of a PyTorch operator. */
export type NodeSpec = readonly [
  op: string,
  name: string,
  inputs: readonly string[],
  scopes?: readonly string[],
  operator?: string,
];

/** A graph whose nodes compute values of their own names; the last one is the output. */
export function graphOf(specs: readonly NodeSpec[]): Graph {
  const graph = createGraph();
  const values = new Map<string, Value>([['x', { name: 'x' }]]);
  graph.inputs = [values.get('x') as Value];
  const named = (name: string): Value => {
    const value = values.get(name) ?? { name, constant: constantOf('float32', [1, 1, 1, 1], [1]) };
    values.set(name, value);
    return value;
  };
  for (const [op, name, inputs, scopes, operator] of specs) {
    const output: Value = { name };
    const node: Node = {
      op,
      domain: '',
      name,
      inputs: inputs.map(named),
      outputs: [output],
      attributes: {},
      ...(scopes && { metadata: metadataOf(scopes, operator) }),
    };
    output.producer = node;
    values.set(name, output);
    graph.nodes.push(node);
  }
  graph.outputs = [values.get(specs.at(-1)?.[1] as string) as Value];
  return graph;
}

function metadataOf(scopes: readonly string[], operator = 'call'): Record<string, string> {
  const parts = scopes.map((scope) => scope.split(':') as [string, string]);
  const list = (items: readonly string[]): string => `[${items.map((item) => `'${item}'`).join(', ')}]`;
  return {
    'pkg.torch.onnx.name_scopes': list(['', ...parts.map(([path]) => path), operator]),
    'pkg.torch.onnx.class_hierarchy': list([
      'Net',
      ...parts.map(([, name]) => name),
      `aten.${operator.replace(/_\d+$/, '')}.default`,
    ]),
  };
}
