/** Where ONNX Runtime's inference of shapes is not what its kernels compute. */
import { describe, expect, it } from 'vitest';
import { type Attributes, constantOf, type Graph, int, ints, string, type Tensor } from '../../src/graph/index.js';
import { infersRightly } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';

const filters = (graph: Graph): Tensor =>
  graph.constant(constantOf('float32', [3, 3, 2, 2], new Float32Array(36).fill(1)));
const scales = (graph: Graph, factor: number): Tensor =>
  graph.constant(constantOf('float32', [4], [1, 1, factor, factor]));

type Inputs = (x: Tensor) => (Tensor | undefined)[];

const cases: [string, string, Inputs, Attributes, boolean][] = [
  ['a pool', 'MaxPool', (x) => [x], { kernel_shape: ints([2, 2]) }, true],
  ['whose windows may hang over', 'MaxPool', (x) => [x], { kernel_shape: ints([2, 2]), ceil_mode: int(1) }, false],
  ['and others', 'LpPool', (x) => [x], { kernel_shape: ints([2, 2]), ceil_mode: int(1) }, false],
  ['a transposed convolution', 'ConvTranspose', (x) => [x, filters(x.graph)], {}, true],
  [
    'with automatic padding',
    'ConvTranspose',
    (x) => [x, filters(x.graph)],
    { auto_pad: string('SAME_UPPER'), output_shape: ints([8, 8]) },
    false,
  ],
  ['a resized image', 'Resize', (x) => [x, undefined, scales(x.graph, 2)], {}, true],
  ['of no whole scale', 'Resize', (x) => [x, undefined, scales(x.graph, 1.5)], {}, false],
  [
    'of a kept aspect ratio',
    'Resize',
    (x) => [x, undefined, undefined, x.graph.ints([1, 3, 4, 8])],
    { keep_aspect_ratio_policy: string('not_larger') },
    false,
  ],
  ['sums of products', 'Einsum', (x) => [x], { equation: string('abcd->ab') }, false],
];

describe('ONNX Runtime infers rightly', () => {
  it.each(cases)('%s', (_, op, inputs, attributes, expected) => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 3, 8, 8]);
    graph.output('y', graph.emit(op, inputs(x), attributes)[0] as Tensor);
    expect(infersRightly(graph)).toBe(expected);
  });
});
