/** Which optimisations of ONNX Runtime a graph is opened with. */
import { expect, it } from 'vitest';
import { constantOf, type Graph, ints, type Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { optimizationsFor } from '../../src/runtime/optimizations.js';

const IMAGE = [1, 3, 16, 16] as const;

/** A patch embedding, as of a vision transformer, and so many products of its tokens with a matrix. */
function transformer(blocks: number): Graph {
  const graph = createGraph();
  const kernel = graph.input('kernel', 'float32', [8, 3, 4, 4]);
  const weight = graph.input('weight', 'float32', [8, 8]);
  const [patches] = graph.emit('Conv', [graph.input('x', 'float32', IMAGE), kernel], { strides: ints([4, 4]) });
  let tokens = (patches as Tensor).reshape([8, 16]).transpose([1, 0]);
  for (let i = 0; i < blocks; i += 1) tokens = tokens.matmul(weight);
  graph.output('y', tokens);
  return graph;
}

function convolution(op: 'Conv' | 'ConvTranspose'): Graph {
  const graph = createGraph();
  const kernel = graph.input('kernel', 'float32', [3, 3, 3, 3]);
  graph.output('y', graph.emit(op, [graph.input('x', 'float32', IMAGE), kernel])[0] as Tensor);
  return graph;
}

function gemm(): Graph {
  const graph = createGraph();
  graph.output(
    'y',
    graph.emit('Gemm', [graph.input('x', 'float32', [4, 8]), graph.input('w', 'float32', [8, 2])])[0] as Tensor,
  );
  return graph;
}

it.each<[graph: string, Graph, level: 'disabled' | undefined]>([
  ['matrix products behind one convolution', transformer(200), 'disabled'],
  ['a few of them', transformer(5), undefined],
  ['a convolution', convolution('Conv'), undefined],
  ['a transposed convolution', convolution('ConvTranspose'), undefined],
  ['Gemm', gemm(), 'disabled'],
  ['the convolution alone', transformer(0), undefined],
])('%s', (_what, graph, level) => {
  expect(optimizationsFor(graph, false).level).toBe(level);
});

it('writes no weights anew where they are large', () => {
  const rewriting = ['ConstantFolding', 'NchwcTransformer'];
  const without = (isLarge: boolean) => optimizationsFor(convolution('Conv'), isLarge).without;
  expect(without(true)).toEqual(expect.arrayContaining(rewriting));
  expect(without(false)).not.toEqual(expect.arrayContaining([rewriting[0]]));
  expect(without(false)).not.toEqual(expect.arrayContaining([rewriting[1]]));
});

/** A product of so many rows with a constant, behind a convolution of so many filters if there are any. */
function product(rows: number, filters = 0): Graph {
  const graph = createGraph();
  let x = graph.input('x', 'float32', [1, 3, rows, 8]);
  const kernel = () => graph.input('kernel', 'float32', [filters, 3, 3, 3]);
  if (filters > 0) x = graph.emit('Conv', [x, kernel()], { pads: ints([1, 1, 1, 1]) })[0] as Tensor;
  graph.output('y', x.matmul(graph.constant(constantOf('float32', [8, 8], new Float32Array(64)))));
  return graph;
}

it.each<[graph: string, Graph, repacks: boolean]>([
  ['few rows', product(300), true],
  ['many rows', product(400), false],
  ['no constant', gemm(), true],
  ['a convolution of most of the arithmetic', product(300, 8), false],
])('weights of products with %s', (_what, graph, repacks) => {
  expect(optimizationsFor(graph, false).repacks).toBe(repacks);
});
