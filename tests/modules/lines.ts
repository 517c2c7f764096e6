/** Graphs written as lines, one per node. */
import { constantOf, type Graph, makeConstant, type Value } from '../../src/graph/index.js';
import type { ModuleCall } from '../../src/modules/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { specialize } from '../../src/passes/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';

/** Operator, name, inputs, name of the output. Inputs called after a shape, `[2,3]` or `bias [3]`, are constants. */
export type Line = readonly [op: string, name: string, inputs: readonly string[], output: string];

/** A graph over the input x. */
export function graphOf(lines: readonly Line[], constants: Readonly<Record<string, Value['constant']>> = {}): Graph {
  const graph = createGraph();
  const values = new Map<string, Value>([['x', { name: 'x', dtype: 'float32' }]]);
  graph.inputs = [values.get('x') as Value];
  const named = (name: string): Value => {
    const [, dims = ''] = /\[([\d,]*)\]$/.exec(name) ?? [];
    const shape = dims.split(',').filter(Boolean).map(Number);
    const size = shape.reduce((product, dim) => product * dim, 1);
    const wave = Array.from({ length: size }, (_, i) => Math.sin(i + 1));
    const constant = constants[name] ?? constantOf('float32', shape, wave);
    const value = values.get(name) ?? makeConstant(name.replace(/ \[.*/, ''), constant);
    values.set(name, value);
    return value;
  };
  for (const [op, name, inputs, output] of lines) {
    const value: Value = { name: output };
    const node = { op, domain: '', name, inputs: inputs.map(named), outputs: [value], attributes: {} };
    value.producer = node;
    values.set(output, value);
    graph.nodes.push(node);
  }
  graph.outputs = [values.get(lines.at(-1)?.[3] as string) as Value];
  return graph;
}

/** What the graph computes, and the shapes of the calls' outputs. */
export async function run(graph: Graph, calls: readonly ModuleCall[]): Promise<{ result: unknown; shapes: unknown[] }> {
  const type = { dtype: 'float32', shape: [2, 3, 4] } as const;
  const [x, y] = [graph.inputs[0] as Value, graph.outputs[0] as Value];
  const body = await runSteps(specialize(graph, new Map([[x, type]]), [y, ...calls.map(({ output }) => output)]));
  const wanted = body.valueOf(y);
  body.graph.outputs = [wanted];
  const data = Float32Array.from({ length: 24 }, (_, i) => Math.cos(i));
  const outputs = await runSteps(
    Session.runOnce(body.graph, requiredOpset(body.graph), { x: { dtype: 'float32', dims: type.shape, data } }),
  );
  return { result: outputs[wanted.name], shapes: calls.map(({ output }) => body.valueOf(output).shape) };
}

export const ints = (...values: number[]) => constantOf('int64', [values.length], values);
