/** The estimate of what a session of a graph takes. */
import { expect, it } from 'vitest';
import type { Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { memoryUse } from '../../src/passes/index.js';

const N = 100;
const BYTES = 4 * N;

it.each<[what: string, build: (x: Tensor) => Tensor, tensors: number]>([
  ['a chain: input, one result, the next', (x) => x.exp().sin().exp().sin(), 3],
  ['what is read later stays', (x) => ((y) => y.sin().exp().sin().add(y))(x.exp()), 4],
  ['a reshaped tensor is the same one', (x) => x.exp().reshape([10, 10]).reshape([N]).sin(), 3],
  [
    'what reads the reshaped one keeps the first',
    (x) => ((y) => y.reshape([10, 10]).sin().exp().reshape([N]).add(y))(x.exp()),
    4,
  ],
  ['constants are there all the time', (x) => x.add(x.constant(new Array(N).fill(1), [N])).exp(), 4],
])('%s', (_, build, tensors) => {
  const graph = createGraph();
  graph.output('y', build(graph.input('x', 'float32', [N])));
  // Shapes that a Reshape reads are constants of some bytes.
  expect(Math.floor(memoryUse(graph) / BYTES)).toBe(tensors);
});
