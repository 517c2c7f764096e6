/** Which constants of a graph are set apart, since images of another size have others. */
import { describe, expect, it } from 'vitest';
import { constantOf, type Graph, int, sizeOf, type Tensor, type Value } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { openSizes } from '../../src/passes/index.js';

const constant = (x: Tensor, shape: readonly number[], values?: readonly number[]): Tensor =>
  x.graph.constant(constantOf('float32', shape, values ?? Array.from({ length: sizeOf(shape) }, (_, i) => i)));

/** The means of x in the places of some numbers. */
const scattered = (x: Tensor, some: readonly number[]): Tensor => {
  const indices = x.graph.constant(constantOf('int64', [2], [1, 0]));
  return x.graph.emit('ScatterElements', [constant(x, [2], some), indices, x.mean([1])], { axis: int(0) })[0] as Tensor;
};

function graphOf(build: (x: Tensor) => Tensor, output = 'loss'): Graph {
  const graph = createGraph();
  graph.output(output, build(graph.input('x', 'float32', [2, 6])));
  return graph;
}

/** The operators that read what was set apart, and which of their inputs that is. */
function places(graph: Graph, gradients: readonly string[] = ['grad']): string[] {
  const opened = new Set<Value | undefined>(openSizes(graph, gradients, new Set()));
  return graph.nodes.flatMap(({ op, inputs }) =>
    inputs.flatMap((input, i) => (opened.has(input) ? [`${op} ${i}`] : [])),
  );
}

describe('a constant', () => {
  it.each<[what: string, build: (x: Tensor) => Tensor, expected: readonly string[]]>([
    ['that is a shape', (x) => x.reshape([3, 4]), ['Reshape 1']],
    [
      'that says where a part begins and ends, not along which axis',
      (x) => x.slice([1], [0], [3]),
      ['Slice 1', 'Slice 2'],
    ],
    ['by which a weight is arranged', (x) => x.matmul(constant(x, [12]).reshape([6, 2])), []],
    ['that is a part of a weight', (x) => x.matmul(constant(x, [8, 2]).slice([0], [0], [6])), []],
    ['to which one number is repeated', (x) => x.add(x.graph.scalar(1, 'float32').expand([2, 6])), ['Expand 1']],
    ['to which a weight is repeated', (x) => x.add(constant(x, [1, 6]).expand([2, 6])), []],
    ['that adds up', (x) => constant(x, [1, 2], [1, 1]).matmul(x), ['MatMul 0']],
    [
      'that adds up a weight',
      (x) =>
        x.matmul(
          constant(x, [1, 2], [1, 1])
            .matmul(constant(x, [2, 6]))
            .reshape([6, 1]),
        ),
      [],
    ],
    ['to which others are added', (x) => scattered(x, [0, 0]), ['ScatterElements 0']],
    ['in which others are put', (x) => scattered(x, [1, 2]), []],
    ['that weighs', (x) => constant(x, [1, 2], [1, 2]).matmul(x), []],
    ['that multiplies from behind', (x) => x.matmul(constant(x, [6, 1], [1, 1, 1, 1, 1, 1])), []],
    ['that is a factor of what the model computes', (x) => x.mul(0.5), []],
    ['that is added', (x) => x.add(0.5), []],
  ])('%s', (_what, build, expected) => {
    expect(places(graphOf(build))).toEqual(expected);
  });

  it.each<[what: string, build: (x: Tensor) => Tensor, expected: readonly string[]]>([
    ['that is a factor', (x) => x.mul(0.5), ['Mul 1']],
    ['that divides', (x) => x.div(0.5), ['Div 1']],
    ['that is divided', (x) => x.graph.scalar(1, 'float32').div(x), []],
    ['that are several factors', (x) => x.mul(constant(x, [6])), []],
    ['that is a factor of a weight', (x) => x.matmul(constant(x, [6, 2]).mul(0.5)), []],
  ])('%s in a gradient', (_what, build, expected) => {
    expect(places(graphOf(build, 'grad'))).toEqual(expected);
  });

  it('that both the loss and its gradient have as a factor stays where the loss has it', () => {
    const graph = graphOf((x) => x.mul(0.5));
    const loss = graph.outputs[0]?.producer?.inputs[0] as Value;
    const x = loss.producer?.inputs[0] as Value;
    const grad = graphOf((y) => y.neg().mul(0.5), 'grad');
    grad.nodes[0]?.inputs.splice(0, 1, x);
    const both = Object.assign(grad, {
      inputs: graph.inputs,
      outputs: [...graph.outputs, ...grad.outputs],
      nodes: [...graph.nodes, ...grad.nodes],
    });
    expect(places(both)).toEqual(['Mul 1']);
    expect(both.nodes.find(({ op }) => op === 'Mul')?.inputs[1]?.name).not.toBe('size:0');
  });
});

it('is set apart once for all that do the same with the same, by a name of its own, with its type and its data', () => {
  const graph = createGraph();
  const x = graph.input('size:0', 'float32', [2, 6]);
  const twice = x
    .reshape([3, 4])
    .exp()
    .add(x.reshape([3, 4]).neg());
  graph.output('loss', twice.reshape([12]).exp().reshape([3, 4]));
  const opened = openSizes(graph, [], new Set());
  expect(opened?.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ['size:0.1', 'int64', [2]],
    ['size:1', 'int64', [1]],
    // What is [3, 4] here may be [2, 6] for another size.
    ['size:2', 'int64', [2]],
  ]);
  expect(opened?.every(({ constant, producer }) => constant && !producer)).toBe(true);
});

it('leaves large graphs as they are', () => {
  const deep = (x: Tensor): Tensor => Array.from({ length: 6001 }).reduce<Tensor>((y) => y.neg(), x.reshape([12]));
  const graph = graphOf(deep);
  expect(openSizes(graph, [], new Set())).toBeUndefined();
  expect(graph.nodes[0]?.inputs[1]?.name).not.toBe('size:0');
});
