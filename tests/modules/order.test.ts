/** Files that ONNX Runtime has optimised: modules in the order in which PyTorch ran them, whatever their nodes are called. */
import { expect, it } from 'vitest';
import { recoverModules } from '../../src/modules/index.js';
import { graphOf, ints, type Line, run } from './lines.js';

const heads = { view: ints(2, 3, 2, 2), rows: ints(-1, 4), back: ints(2, 3, 4) };

/** A projection, and the Reshape that makes heads of it, in the module around it. */
const projection = (name: string, weight: number, view: number, input = 'normed'): Line[] => [
  ['MatMul', `/attn/${name}/MatMul`, [input, `onnx::MatMul_${weight} [4,4]`], `/attn/${name}/MatMul_output_0`],
  [
    'Add',
    `/attn/${name}/Add`,
    [`/attn/${name}/MatMul_output_0`, `attn.${name}.bias [4]`],
    `/attn/${name}/Add_output_0`,
  ],
  [
    'Reshape',
    `/attn/Reshape${view ? `_${view}` : ''}`,
    [`/attn/${name}/Add_output_0`, 'view'],
    `/attn/Reshape${view ? `_${view}` : ''}_output_0`,
  ],
];
const norm: Line = [
  'LayerNormalization',
  '/norm/LayerNormalization',
  ['x', 'norm.weight [4]', 'norm.bias [4]'],
  'normed',
];
const scores: Line[] = [
  ['Mul', '/attn/Mul', ['/attn/Reshape_output_0', '/attn/Reshape_2_output_0'], '/attn/Mul_output_0'],
  ['Add', '/attn/Add', ['/attn/Mul_output_0', '/attn/Reshape_1_output_0'], 'sum'],
];
const pathsOf = (lines: Line[]): string[] => recoverModules(graphOf(lines, heads)).map(({ path }) => path);

const [key, value, query] = [projection('key', 10, 0), projection('value', 11, 1), projection('query', 12, 2)];

it.each<[string, Line[]]>([
  ['as they were', [norm, ...key, ...value, ...query, ...scores]],
  ['as they are needed', [norm, ...key, ...query, scores[0] as Line, ...value, scores[1] as Line]],
  ['in reverse', [norm, ...query, ...value, ...key, ...scores]],
])('numbers tell the order of nodes that are written %s', async (_, lines) => {
  expect(pathsOf(lines)).toEqual(['norm', 'attn.key', 'attn.value', 'attn.query', 'attn']);
  const original = graphOf([norm, ...key, ...value, ...query, ...scores], heads);
  const graph = graphOf(lines, heads);
  const calls = recoverModules(graph);
  expect((await run(graph, calls)).result).toEqual((await run(original, [])).result);
});

it('counts a node without a number as the first', () => {
  const views = ['Reshape', 'Reshape_1'].map(
    (name) => ['Reshape', `/${name}`, ['x', 'view'], `/${name}_output_0`] as Line,
  );
  const ends: Line = ['Add', '/Add', ['/Reshape_output_0', '/Reshape_1_output_0'], 'sum'];
  const graph = graphOf([...views.toReversed(), ends], heads);
  recoverModules(graph);
  expect(graph.nodes.map(({ name }) => name)).toEqual(['/Reshape', '/Reshape_1', '/Add']);
});

it('takes nothing from a number that two weights have', () => {
  const plain = (name: string, weight: number): Line[] => projection(name, weight, 0).slice(0, 2);
  const ends: Line[] = [
    ['Mul', '/attn/Mul', ['/attn/key/Add_output_0', '/attn/value/Add_output_0'], 'product'],
    ['Add', '/attn/Add', ['product', '/attn/query/Add_output_0'], 'sum'],
  ];
  const lines = [norm, ...plain('key', 10), ...plain('value', 11), ...plain('query', 10), ...ends];
  expect(pathsOf(lines)).toEqual(['norm', 'attn.key', 'attn.value', 'attn.query', 'attn']);
});

it('keeps an order that its numbers contradict', () => {
  // The second call reads what the first one gives, and is numbered before it.
  const lines = [
    norm,
    ...projection('a', 12, 0),
    ...projection('b', 11, 1, '/attn/a/Add_output_0'),
    ...projection('c', 10, 2),
  ];
  expect(pathsOf([...lines, ...scores])).toEqual(['norm', 'attn.a', 'attn.b', 'attn.c', 'attn']);
});

it('knows a layer by the first of the nodes that became one', async () => {
  const graph = graphOf(
    [
      [
        'LayerNormalization',
        '/block/norm/LayerNormalization',
        ['x', 'block.norm.weight [4]', 'block.norm.bias [4]'],
        'normed',
      ],
      ['Reshape', 'gemm_input_reshape', ['normed', 'rows'], 'flat'],
      ['Gemm', '/block/fc/MatMul/MatMulAddFusion', ['flat', 'onnx::MatMul_9 [4,4]', 'block.fc.bias [4]'], 'product'],
      ['Reshape', 'gemm_output_reshape', ['product', 'back'], '/block/fc/Add_output_0'],
      ['Mul', '/block/act/Mul_1/QuickGeluFusion/.Mul_0', ['/block/fc/Add_output_0', 'alpha [1]'], 'scaled'],
      ['Sigmoid', '/block/act/Mul_1/QuickGeluFusion/.Mul_0', ['scaled'], 'gate'],
      ['Mul', '/block/act/Mul_1_output_0.Mul', ['/block/fc/Add_output_0', 'gate'], '/block/act/Mul_1_output_0'],
    ],
    heads,
  );
  const calls = recoverModules(graph);
  expect(calls.map(({ path, class: className }) => `${path} ${className}`)).toEqual([
    'block.norm LayerNorm',
    'block.fc Linear',
    'block.act QuickGELU',
    'block Module',
  ]);
  // ONNX Runtime writes some names twice, and reads no such file.
  expect((await run(graph, calls)).shapes).toEqual([
    [2, 3, 4],
    [2, 3, 4],
    [2, 3, 4],
    [2, 3, 4],
  ]);
});
