/** Whose a constant is that several modules read, and what it is called. */
import { describe, expect, it } from 'vitest';
import { constantOf, int } from '../../src/graph/index.js';
import { parametersOf, recoverModules, weightsOf } from '../../src/modules/index.js';
import { graphOf, type NodeSpec } from './build.js';

const LINEAR = 'torch.nn.modules.linear.Linear';
const product = (path: string, input: string, weight: string, output: string): NodeSpec => [
  'MatMul',
  output,
  [input, weight],
  [`${path}:${LINEAR}`],
];

/** Names of the weights, with the modules of tied ones; `equal` gives all elements of the constants one value. */
function namesOf(specs: readonly NodeSpec[], equal: boolean): string[] {
  const graph = graphOf(specs);
  for (const input of new Set(graph.nodes.flatMap(({ inputs }) => inputs)))
    if (input?.constant) input.constant = constantOf('float32', [2, 2], equal ? [3, 3, 3, 3] : [1, 2, 3, 4]);
  recoverModules(graph);
  return weightsOf(graph.nodes).map(({ name, paths }) => (paths.length > 1 ? `${name} of ${paths}` : name));
}

const cases: [what: string, nodes: NodeSpec[], equal: boolean, expected: string[]][] = [
  [
    'modules with equal elements have one each',
    [product('head', 'x', 'val_1', 'a'), product('tail', 'a', 'val_1', 'y')],
    true,
    ['head.weight.T', 'tail.weight.T'],
  ],
  [
    'modules of other names with elements that cannot be equal by chance are tied',
    [product('embedding', 'x', 'embedding.weight', 'a'), product('head', 'a', 'embedding.weight', 'y')],
    false,
    ['embedding.weight of embedding,head'],
  ],
  [
    'copies of a block have one each',
    [product('layers.0.fc', 'x', 'layers.0.fc.weight', 'a'), product('layers.1.fc', 'a', 'layers.0.fc.weight', 'y')],
    false,
    ['layers.0.fc.weight', 'layers.1.fc.weight.T'],
  ],
  [
    'a module that is called twice has one',
    [product('fc', 'x', 'val_1', 'a'), ['Relu', 'b', ['a']], product('fc', 'b', 'val_1', 'y')],
    true,
    ['fc.weight.T'],
  ],
  [
    'a module and its child have one',
    [
      ['Mul', 'a', ['x', 'val_1'], ['att:my.Attention']],
      ['Mul', 'y', ['a', 'val_1'], ['att:my.Attention', 'att.inner:my.Inner']],
    ],
    true,
    ['att.weight'],
  ],
  [
    'another name of a constant is that of the module that reads it',
    [
      ['Identity', 'c2.bias', ['c1.bias']],
      ['Conv', '/c1/Conv', ['x', 'c1.weight', 'c1.bias']],
      ['Conv', '/c2/Conv', ['/c1/Conv', 'c2.weight', 'c2.bias']],
    ],
    true,
    ['c1.weight', 'c1.bias', 'c2.weight', 'c2.bias'],
  ],
  [
    'several of one kind in a module keep what tells them apart',
    [
      ['MatMul', 'a', ['x', 'val_1'], ['att:my.Attention']],
      ['MatMul', 'y', ['a', 'val_2'], ['att:my.Attention']],
    ],
    false,
    ['att.weight.T', 'att.weight.T#val_2'],
  ],
  [
    'a file without modules keeps its names, and a layer called twice its weight',
    [
      ['Conv', 'Conv_0', ['x', 'W']],
      ['Relu', 'Relu_1', ['Conv_0']],
      ['Conv', 'Conv_2', ['Relu_1', 'W']],
    ],
    false,
    ['W of Conv_0,Conv_2'],
  ],
  [
    'what sizes are computed of holds none, and does not share those of others',
    [
      ['Concat', 'scales', ['ones', 'twos']],
      ['Resize', 'a', ['x', '', 'scales']],
      ['Mul', 'sizes', ['W', 'W']],
      ['Tile', 'b', ['a', 'sizes']],
      ['MatMul', 'y', ['b', 'W']],
    ],
    false,
    ['W'],
  ],
];

describe('weights', () => {
  it.each(cases)('%s', (_, nodes, equal, expected) => {
    expect(namesOf(nodes, equal)).toEqual(expected);
  });

  it.each([
    [0, 'fc.weight.T'],
    [1, 'fc.weight'],
  ])('of a Gemm with transB %i are %s', (transB, name) => {
    const graph = graphOf([['Gemm', 'y', ['x', 'val_1'], [`fc:${LINEAR}`]]]);
    Object.assign(graph.nodes[0]?.attributes as object, { transB: int(transB) });
    recoverModules(graph);
    expect(weightsOf(graph.nodes).map((weight) => weight.name)).toEqual([name]);
  });

  it('are counted for each module that holds them', () => {
    const graph = graphOf([product('head', 'x', 'val_1', 'a'), product('tail', 'a', 'val_1', 'y')]);
    for (const { inputs } of graph.nodes)
      if (inputs[1]) inputs[1].constant = constantOf('float32', [2, 2], [0, 0, 0, 0]);
    const calls = recoverModules(graph);
    expect(parametersOf(calls)).toBe(8);
    expect(calls.map((call) => parametersOf([call]))).toEqual([4, 4]);
  });
});
