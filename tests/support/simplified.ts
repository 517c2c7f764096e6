/** What simplification makes of small graphs. */
import { expect } from 'vitest';
import { constantOf, type Graph, type Tensor } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { simplify } from '../../src/passes/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { feedOf, numbersIn } from './run.js';

/** Operators in order, but for those that name outputs. */
export const opsOf = (graph: Graph): string[] => graph.nodes.map((node) => node.op).filter((op) => op !== 'Identity');
/** Numbers that differ. */
export const ramp = (...shape: number[]) =>
  constantOf(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
  );

/** Output y of a graph with the input x. */
export async function compute(graph: Graph, data: ReturnType<typeof ramp>): Promise<number[]> {
  const session = await runSteps(Session.open(graph, requiredOpset(graph)));
  const { y } = await runSteps(session.run({ x: feedOf(data) }));
  await runSteps(session.dispose());
  return numbersIn(y);
}

/** Builds y from x, simplifies, and checks that the numbers stay. */
export async function simplified(shape: number[], build: (x: Tensor) => Tensor): Promise<string[]> {
  const graph = createGraph();
  graph.output('y', build(graph.input('x', 'float32', shape)));
  const simple = simplify(graph);
  const [before, after] = [await compute(graph, ramp(...shape)), await compute(simple, ramp(...shape))];
  expect(after).toHaveLength(before.length);
  for (const [i, value] of after.entries()) expect(value).toBeCloseTo(before[i] as number, 5);
  return opsOf(simple);
}
