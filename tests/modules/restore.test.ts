/** Files that went through an optimiser: modules give again what PyTorch's hooks see. */
import { describe, expect, it } from 'vitest';
import { constantOf } from '../../src/graph/index.js';
import { recoverModules } from '../../src/modules/index.js';
import { graphOf, ints, type Line, run } from './lines.js';

const shapes = { rows: ints(-1, 4), wide: ints(-1, 6), view: ints(2, 3, 2, 3), back: ints(2, 3, 4) };
const half = {
  half: constantOf('float32', [], [0.5]),
  two: constantOf('float32', [], [2]),
  one: constantOf('float32', [], [1]),
};

/** LayerNorm → Linear(4, 6) → GELU → Linear(6, 4), as onnxsim writes it: in matrices, with names of its own. */
const MLP: Line[] = [
  ['LayerNormalization', '/block/norm/LayerNormalization', ['x', 'scale [4]', 'shift [4]'], '/block/norm/output'],
  ['Reshape', 'Reshape_1', ['/block/norm/output', 'rows'], '_v_1'],
  ['Gemm', 'Gemm_2', ['_v_1', 'w1 [4,6]', 'block.mlp.fc1.bias [6]'], '_v_2'],
  ['Div', '/block/mlp/act/Div', ['_v_2', 'two'], 'scaled'],
  ['Erf', '/block/mlp/act/Erf', ['scaled'], 'erf'],
  ['Add', '/block/mlp/act/Add', ['erf', 'one'], 'plus'],
  ['Mul', '/block/mlp/act/Mul', ['_v_2', 'plus'], 'activated'],
  ['Gemm', 'Gemm_8', ['activated', 'w2 [6,4]', 'block.mlp.fc2.bias [4]'], '_v_8'],
  ['Reshape', 'Reshape_9', ['_v_8', 'back'], '/block/mlp/fc2/Add_output_0'],
];

describe('a product in matrices', () => {
  it('has its module, its class and its dimensions again; the graph computes the same', async () => {
    const constants = { ...shapes, ...half };
    const graph = graphOf(MLP, constants);
    const calls = recoverModules(graph);
    expect(calls.map(({ path, class: className }) => `${path} ${className}`)).toEqual([
      'block.norm LayerNorm',
      'block.mlp.fc1 Linear',
      'block.mlp.act GELU',
      'block.mlp.fc2 Linear',
      'block.mlp Module',
      'block Module',
    ]);
    const restored = await run(graph, calls);
    const [block, wide] = [
      [2, 3, 4],
      [2, 3, 6],
    ];
    expect(restored.shapes).toEqual([block, wide, wide, block, block, block]);
    expect(restored.result).toEqual((await run(graphOf(MLP, constants), [])).result);
  });

  it('gives back the half of a GELU', async () => {
    const graph = graphOf(MLP, { ...shapes, ...half });
    const gelu = recoverModules(graph).find(({ class: className }) => className === 'GELU');
    expect(gelu?.nodes.map(({ op }) => op)).toEqual(['Div', 'Erf', 'Add', 'Mul', 'Mul']);
    const complete = MLP.map((line) => line);
    complete.splice(7, 0, ['Mul', '/block/mlp/act/Mul_1', ['activated', 'half'], 'halved']);
    complete[8] = ['Gemm', 'Gemm_8', ['halved', 'w2 [6,4]', 'block.mlp.fc2.bias [4]'], '_v_8'];
    const whole = recoverModules(graphOf(complete, { ...shapes, ...half })).find(({ class: name }) => name === 'GELU');
    expect(whole?.nodes.map(({ op }) => op)).toEqual(['Div', 'Erf', 'Add', 'Mul', 'Mul']);
  });

  it('gives a view of its output to the module around it', async () => {
    // onnxslim: the Reshape to heads took the place, and the name, of the one behind the product.
    const graph = graphOf(
      [
        ['LayerNormalization', '/norm/LayerNormalization', ['x', 'scale [4]', 'shift [4]'], 'normed'],
        ['Reshape', '/attn/qkv/MatMul_pre_reshape', ['normed', 'rows'], 'flat'],
        ['Gemm', '/attn/qkv/MatMul', ['flat', 'w [4,6]', 'attn.qkv.bias [6]'], 'product'],
        ['Reshape', '/attn/qkv/Add', ['product', 'view'], 'heads'],
        ['Softmax', '/attn/Softmax', ['heads'], 'softmax'],
      ],
      shapes,
    );
    const calls = recoverModules(graph);
    expect(calls.map(({ path, class: className }) => `${path} ${className}`)).toEqual([
      'norm LayerNorm',
      'attn.qkv Linear',
      'attn Module',
    ]);
    expect((await run(graph, calls)).shapes).toEqual([
      [2, 3, 4],
      [2, 3, 6],
      [2, 3, 2, 3],
    ]);
  });

  it('is no module where the module around it computes it', () => {
    // The exporter's names count from MatMul on: one product of the module itself has lost its name.
    const graph = graphOf(
      [
        ['LayerNormalization', '/norm/LayerNormalization', ['x', 'scale [4]', 'shift [4]'], 'normed'],
        ['Reshape', 'Reshape_1', ['normed', 'rows'], '_v_1'],
        ['Gemm', 'Gemm_2', ['_v_1', 'w [4,6]', 'attn.qkv.bias [6]'], '_v_2'],
        ['Reshape', '/attn/Reshape_4', ['_v_2', 'view'], 'heads'],
        ['Softmax', '/attn/Softmax', ['heads'], 'softmax'],
        ['MatMul', '/attn/MatMul_1', ['softmax', 'heads'], 'y'],
      ],
      shapes,
    );
    expect(recoverModules(graph).map(({ path, leaf }) => `${path}${leaf ? '' : ' +'}`)).toEqual(['norm', 'attn +']);
  });

  it('stays in two dimensions where something reads it that needs them', () => {
    const lines: Line[] = [
      ['LayerNormalization', '/norm/LayerNormalization', ['x', 'scale [4]', 'shift [4]'], 'normed'],
      ['Reshape', '/fc/Reshape', ['normed', 'rows'], 'flat'],
      ['Gemm', '/fc/Gemm', ['flat', 'w [4,6]'], 'product'],
      ['Transpose', '/Transpose', ['product'], 'y'],
    ];
    const graph = graphOf(lines, shapes);
    recoverModules(graph);
    expect(graph.nodes.map(({ op }) => op)).toEqual(lines.map(([op]) => op));
  });
});
