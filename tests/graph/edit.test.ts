/** Walking over graphs and changing them. */
import { describe, expect, it } from 'vitest';
import {
  attributesOf,
  checkGraph,
  constantOf,
  copyNodes,
  dependents,
  dropNodes,
  INTERNAL_DOMAIN,
  insertAfter,
  int,
  isDetach,
  makeConstant,
  makeNode,
  makeValue,
  type Node,
  neededNodes,
  readersOf,
  readsAny,
  readsOnlyShape,
  type Tensor,
  uniqueName,
  type Value,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';

/** a = exp x, b = neg x, c = a + b, d = abs b; out: c. */
function diamond() {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [2]);
  const [a, b] = [x.exp(), x.neg()];
  const [c, d] = [a.add(b), b.abs()];
  graph.outputs = [c.value];
  const named = { x, a, b, c, d };
  const nameOf = (value: Value): string | undefined =>
    Object.entries(named).find(([, tensor]) => tensor.value === value)?.[0];
  const names = (nodes: readonly Node[]) => nodes.map(({ outputs }) => nameOf(outputs[0] as Value)).join('');
  return { graph, ...named, names, nameOf };
}
const values = (...tensors: Tensor[]) => tensors.map(({ value }) => value);

describe('walking', () => {
  it('finds what is needed, in order, as far as it follows', () => {
    const { graph, names, x, a, b, c, d } = diamond();
    expect(names(neededNodes(graph.nodes, values(c)))).toBe('abc');
    expect(names(neededNodes(graph.nodes, values(d)))).toBe('bd');
    expect(names(neededNodes(graph.nodes, values(c, d)))).toBe('abcd');
    expect(names(neededNodes(graph.nodes, values(x)))).toBe('');
    expect(names(neededNodes(graph.nodes, []))).toBe('');
    expect(names(neededNodes(graph.nodes, values(c), (value) => value !== a.value))).toBe('bc');
    expect(names(neededNodes(graph.nodes, values(c), (value) => value !== c.value))).toBe('');
    expect(names(neededNodes(graph.nodes, values(c, b), (value) => value !== b.value))).toBe('ac');
  });

  it('finds what depends on sources, as far as nodes pass it and values carry it', () => {
    const { graph, x, a, b, nameOf } = diamond();
    const found = (...parameters: Parameters<typeof dependents>) =>
      Array.from(dependents(...parameters), nameOf).join('');
    expect(found(graph.nodes, values(x))).toBe('xabcd');
    expect(found(graph.nodes, values(a))).toBe('ac');
    expect(found(graph.nodes, [])).toBe('');
    const isNeg = ({ op }: Node): boolean => op === 'Neg';
    expect(found(graph.nodes, values(x), { passes: (node, reached) => reached && !isNeg(node) })).toBe('xac');
    expect(found(graph.nodes, [], { passes: (node, reached) => reached || isNeg(node) })).toBe('bcd');
    expect(found(graph.nodes, values(x), { carries: (value) => value !== b.value })).toBe('xac');
  });

  it('finds a node by any of its outputs', () => {
    const { graph, x } = diamond();
    const [, second] = graph.emit('Split', [x], { num_outputs: int(2) }, { outputs: 2 }) as [Tensor, Tensor];
    expect(neededNodes(graph.nodes, values(second))).toEqual([second.value.producer]);
  });

  it('knows the operators that mean something here alone, and those that read dimensions alone', () => {
    const { x } = diamond();
    const node = (op: string, domain = ''): Node => makeNode({ op, domain, name: 'n', inputs: [], outputs: [] });
    const nodes = [x.detach().value.producer as Node, node('Detach'), node('Other', INTERNAL_DOMAIN)];
    expect(nodes.map(isDetach)).toEqual([true, false, false]);
    expect([node('Shape'), node('Size'), node('Reshape')].map(readsOnlyShape)).toEqual([true, true, false]);
  });

  it('finds who reads a value, once each', () => {
    const { graph, x, a, b, c, d, names } = diamond();
    const twice = a.mul(a);
    graph.emit('Clip', [d, undefined]);
    const readers = readersOf(graph);
    expect(names(readers.get(x.value) ?? [])).toBe('ab');
    expect(names(readers.get(b.value) ?? [])).toBe('cd');
    expect(readers.get(a.value)).toEqual([c.value.producer, twice.value.producer]);
    expect([readers.has(c.value), readers.has(undefined as never)]).toEqual([false, false]);
    const sum = c.value.producer as Node;
    expect([a, b, d].map(({ value }) => readsAny(sum, new Set([value])))).toEqual([true, true, false]);
    expect(readsAny(graph.nodes[0] as Node, new Set(values(x)))).toBe(true);
    expect(readsAny(graph.nodes[0] as Node, new Set(values(a)))).toBe(false);
  });
});

describe('editing', () => {
  it('makes nodes that are the producers of their outputs', () => {
    const [x, y]: [Value, Value] = [{ name: 'x' }, { name: 'y' }];
    const metadata = { key: 'value' };
    const node = makeNode({ op: 'Split', name: 'n', inputs: [x, undefined], outputs: [undefined, y], metadata });
    expect(node).toStrictEqual({
      op: 'Split',
      domain: '',
      name: 'n',
      inputs: [x, undefined],
      outputs: [undefined, y],
      attributes: {},
      metadata,
    });
    expect(y.producer).toBe(node);
    const made = makeValue('Gather', 'g', [x], { axis: int(1) });
    expect(made.value).toMatchObject({ name: 'g', producer: made.node });
    expect(made.node).toMatchObject({ op: 'Gather', name: 'g', inputs: [x], attributes: { axis: int(1) } });
    expect(makeConstant('c', constantOf('int32', [1], [5]))).toMatchObject({ name: 'c', dtype: 'int32', shape: [1] });
  });

  it('copies nodes with values of their own, and leaves the originals as they are', () => {
    const { graph, x, b } = diamond();
    const before = graph.nodes.map((node) => ({ ...node }));
    const other: Value = { name: 'other', dtype: 'float32', shape: [2] };
    const copies = new Map([[x.value, other]]);
    const nodes = copyNodes(graph.nodes, copies, (name) => `copy/${name}`);
    expect(graph.nodes).toEqual(before);
    expect(b.value.producer).toBe(graph.nodes[1]);
    const copy = copies.get(b.value) as Value;
    expect(copy).toMatchObject({ name: `copy/${b.value.name}`, dtype: 'float32', shape: [2], producer: nodes[1] });
    expect(nodes[1]).toMatchObject({ op: 'Neg', inputs: [other], name: `copy/${graph.nodes[1]?.name}` });
    const copied = createGraph();
    Object.assign(copied, { inputs: [other], nodes, outputs: graph.outputs.map((value) => copies.get(value)) });
    checkGraph(copied);
  });

  it('copies branches and bodies with what they read from around them', () => {
    const [x, y, z, out]: [Value, Value, Value, Value] = [{ name: 'x' }, { name: 'y' }, { name: 'z' }, { name: 'out' }];
    const before = makeNode({ op: 'Exp', name: 'e', inputs: [x], outputs: [y] });
    const inner = makeNode({ op: 'Neg', name: 'n', inputs: [y], outputs: [z] });
    const i: Value = { name: 'i' };
    const body = { inputs: [i], outputs: [z], nodes: [inner] };
    const attributes = { then_branch: { kind: 'graph', value: body }, axis: int(1) } as const;
    const node = makeNode({ op: 'If', name: 'i', inputs: [x, y], outputs: [undefined, out], attributes });
    const copies = new Map<Value, Value>();
    const [, copy] = copyNodes([before, node], copies) as [Node, Node];
    const copied = attributesOf(copy).graph('then_branch');
    expect(copied?.nodes[0]?.inputs).toEqual([copies.get(y)]);
    expect(copied?.outputs[0]?.producer).toBe(copied?.nodes[0]);
    expect(copied?.outputs[0]).not.toBe(z);
    expect(attributesOf(copy).int('axis', 0)).toBe(1);
    expect([copy.name, copied?.nodes[0]?.name, copied?.outputs[0]?.name]).toEqual(['i', 'n', 'z']);
    expect(copied?.inputs).toEqual([i]);
    expect(copy.outputs[0]).toBeUndefined();
    expect([z.producer, inner.inputs[0], body.outputs[0]]).toEqual([inner, y, z]);
  });

  it('inserts nodes behind others, and drops nodes', () => {
    const { graph, b, names } = diamond();
    const value: Value = { name: 'e', dtype: 'float32', shape: [2] };
    const node = makeNode({ op: 'Abs', name: 'e', inputs: [b.value], outputs: [value] });
    insertAfter(graph, b.value.producer as Node, node);
    expect(graph.nodes.indexOf(node)).toBe(2);
    checkGraph(graph);
    node.outputs.push(undefined);
    dropNodes(graph, new Set([node, graph.nodes[1] as Node]));
    expect(names(graph.nodes)).toBe('acd');
    expect([value.producer, b.value.producer]).toEqual([undefined, undefined]);
  });

  it('gives free names', () => {
    const taken = new Set(['a', 'a.1']);
    expect([uniqueName('a', taken), uniqueName('a', taken), uniqueName('b', taken)]).toEqual(['a.2', 'a.3', 'b']);
    expect(taken.size).toBe(5);
  });
});
