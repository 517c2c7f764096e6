/** The checker finds every kind of wrong graph, and names what is wrong. */
import { describe, expect, it } from 'vitest';
import {
  checked,
  checkGraph,
  checkGraphs,
  constantOf,
  type Graph,
  makeNode,
  type Node,
  type Value,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';

/** y = exp(x·w), of shape [2, 3]. */
function sound(): Graph {
  const graph = createGraph();
  const weight = graph.constant(constantOf('float32', [2, 3], [1, 2, 3, 4, 5, 6]), 'w');
  graph.output('y', graph.input('x', 'float32', [2, 3]).mul(weight).exp());
  return graph;
}

const node = (graph: Graph, op: string): Node => graph.nodes.find((other) => other.op === op) as Node;
const outputOf = (graph: Graph, op: string): Value => node(graph, op).outputs[0] as Value;

describe('checkGraph', () => {
  it('lets a sound graph pass', () => {
    expect(() => checkGraph(sound())).not.toThrow();
  });

  it('lets a graph pass whose types are not known, and one with operators that are not known', () => {
    const graph = createGraph();
    const x: Value = { name: 'x' };
    const y: Value = { name: 'y' };
    graph.inputs = [x];
    graph.nodes = [makeNode({ op: 'Relu', name: 'relu', inputs: [x], outputs: [y] })];
    graph.outputs = [y];
    checkGraph(graph);
    const types = [{ dtype: 'float32', shape: [7] }] as const;
    const other = createGraph();
    other.output('y', other.emit('Unknown', [other.input('x', 'float32', [2])], {}, { types })[0] as never);
    checkGraph(other);
  });

  it('lets a constant be an output, and an input', () => {
    const graph = sound();
    graph.outputs.push(node(graph, 'Mul').inputs[1] as Value, graph.inputs[0] as Value);
    expect(() => checkGraph(graph)).not.toThrow();
  });

  it('lets types be unknown in part, and outputs be left out', () => {
    const graph = createGraph();
    const [x, scale] = [graph.input('x', 'float32', [2]), graph.input('scale', 'float32', [2])];
    const outputs = graph.emit('LayerNormalization', [x, scale], {}, { outputs: 3 });
    graph.outputs = [outputs[0]?.value as Value];
    node(graph, 'LayerNormalization').outputs[1] = undefined;
    delete outputs[2]?.value.shape;
    expect(() => checkGraph(graph)).not.toThrow();
    Object.assign(outputs[0]?.value as Value, { shape: [3] });
    expect(() => checkGraph(graph)).toThrow(/is float32\[3\], inferred is float32\[2\]/);
    // Without the type of an input, nothing is inferred.
    delete scale.value.shape;
    expect(() => checkGraph(graph)).not.toThrow();
  });

  it('is called by those who changed a graph, while that is switched on', () => {
    const [good, bad] = [sound(), sound()];
    bad.nodes.reverse();
    expect(checked(good, 'a test')).toBe(good);
    expect(() => checked(bad, 'a test')).toThrow(/after a test/);
    checkGraphs(false);
    try {
      expect(checked(bad, 'a test')).toBe(bad);
    } finally {
      checkGraphs(true);
    }
  });

  const wrong: [string, (graph: Graph) => void, RegExp][] = [
    [
      'two inputs of one name',
      (graph) => graph.inputs.push({ name: 'x', dtype: 'float32', shape: [1] }),
      /two inputs or outputs are called 'x'/,
    ],
    [
      'an output called as an input',
      (graph) => Object.assign(graph.outputs[0] as Value, { name: 'x' }),
      /two inputs or outputs are called 'x'/,
    ],
    [
      'an input that a node computes',
      (graph) => graph.inputs.push(outputOf(graph, 'Exp')),
      /the input 'exp_\d' is computed by Exp/,
    ],
    [
      'an input that is a constant',
      (graph) => graph.inputs.push(node(graph, 'Mul').inputs[1] as Value),
      /the input 'w' is a constant/,
    ],
    ['nodes in another order', (graph) => graph.nodes.reverse(), /reads 'exp_\d', which nothing before it computes/],
    [
      'a value from nowhere',
      (graph) => Object.assign(node(graph, 'Exp'), { inputs: [{ name: 'z' }] }),
      /Exp 'Exp_\d' reads 'z', which nothing before it computes/,
    ],
    ['an output from nowhere', (graph) => graph.outputs.push({ name: 'z' }), /nothing computes the output 'z'/],
    [
      'a stale producer',
      (graph) => Object.assign(outputOf(graph, 'Mul'), { producer: node(graph, 'Exp') }),
      /Mul 'Mul_\d' computes 'mul_\d', whose producer is Exp/,
    ],
    [
      'a missing producer',
      (graph) => delete outputOf(graph, 'Mul').producer,
      /computes 'mul_\d', whose producer is nothing/,
    ],
    [
      'a value that two nodes compute',
      (graph) => graph.nodes.push({ ...node(graph, 'Mul') }),
      /computes 'mul_\d', which is there before/,
    ],
    [
      'a constant that a node computes',
      (graph) => Object.assign(outputOf(graph, 'Exp'), { constant: constantOf('float32', [], [1]) }),
      /Exp 'Exp_\d' computes 'exp_\d', which is a constant/,
    ],
    [
      'a constant with a producer',
      (graph) => Object.assign(node(graph, 'Mul').inputs[1] as Value, { producer: node(graph, 'Exp') }),
      /the constant 'w' that Mul 'Mul_\d' reads is computed by Exp/,
    ],
    [
      'a constant called another dtype',
      (graph) => Object.assign(node(graph, 'Mul').inputs[1] as Value, { dtype: 'float64' }),
      /is called float64 and holds float32/,
    ],
    [
      'a constant of another shape',
      (graph) => Object.assign(node(graph, 'Mul').inputs[1] as Value, { shape: [3, 2] }),
      /has shape \[3,2\] and holds \[2,3\]/,
    ],
    [
      'a constant of too few bytes',
      (graph) => {
        const value = node(graph, 'Mul').inputs[1] as Value;
        value.constant = { dtype: 'float32', shape: [2, 3], bytes: new Uint8Array(20) };
      },
      /holds 20 bytes instead of 24/,
    ],
    [
      'a shape that is not the inferred one',
      (graph) => Object.assign(outputOf(graph, 'Exp'), { shape: [3, 2] }),
      /Exp 'Exp_\d': its output 'exp_\d' is float32\[3,2\], inferred is float32\[2,3\]/,
    ],
    [
      'a dtype that is not the inferred one',
      (graph) => Object.assign(outputOf(graph, 'Identity'), { dtype: 'float64' }),
      /its output 'y' is float64\[2,3\], inferred is float32\[2,3\]/,
    ],
    [
      'more outputs than the operator has',
      (graph) => {
        const exp = node(graph, 'Exp');
        exp.outputs.push({ name: 'extra', dtype: 'float32', shape: [], producer: exp });
      },
      /Exp 'Exp_\d' has no output 1/,
    ],
  ];
  it.each(wrong)('finds %s', (_what, spoil, message) => {
    const graph = sound();
    spoil(graph);
    expect(() => checkGraph(graph, 'a test')).toThrow(message);
    expect(() => checkGraph(graph, 'a test')).toThrow(/^defect: the graph is wrong after a test: /);
  });
});
