/** What the fixtures do not have: names in doubt, repeated calls, merged layers, files without scopes. */
import { describe, expect, it } from 'vitest';
import { constantOf, ints } from '../../src/graph/index.js';
import { parsePythonList } from '../../src/modules/dynamo.js';
import { recoverModules, selectHooks } from '../../src/modules/index.js';
import { graphOf, type NodeSpec } from './build.js';

const list = (specs: readonly NodeSpec[]): string[] =>
  recoverModules(graphOf(specs)).map((call) => `${call.path}#${call.call} ${call.class}${call.leaf ? '' : ' +'}`);

describe('TorchScript names', () => {
  it('joins the names of a Sequential, and keeps those of other containers', () => {
    expect(
      list([
        ['Conv', '/stem/stem.0/Conv', ['x', 'stem.0.weight']],
        ['Relu', '/stem/stem.1/Relu', ['/stem/stem.0/Conv']],
        ['Conv', '/net/net.0/Conv', ['/stem/stem.1/Relu', 'net.net.0.weight']],
        ['Sqrt', '/net/Sqrt', ['/net/net.0/Conv']],
      ]),
    ).toEqual(['stem.0#0 Conv2d', 'stem.1#0 ReLU', 'stem#0 Sequential +', 'net.net.0#0 Conv2d', 'net#0 Module +']);
  });

  it('finds containers that are never called by the names of weights', () => {
    expect(
      list([
        ['Conv', '/conv1/Conv', ['x', 'backbone.conv1.weight']],
        ['Conv', '/b/b.0/Conv', ['/conv1/Conv', 'backbone.d.b.0.weight']],
        ['Relu', '/b/b.1/Relu', ['/b/b.0/Conv']],
      ]),
    ).toEqual([
      'backbone.conv1#0 Conv2d',
      'backbone.d.b.0#0 Conv2d',
      'backbone.d.b.1#0 ReLU',
      'backbone.d.b#0 Sequential +',
    ]);
  });

  it('knows a module that blocks share by its path around them, but for vectors, which exporters share if equal', () => {
    const shared: NodeSpec[] = [
      ['Conv', '/blocks.0/position/proj/Conv', ['x', 'position.proj.weight']],
      ['LayerNormalization', '/blocks.0/norm/LayerNormalization', ['/blocks.0/position/proj/Conv', 'norm.weight']],
      ['Conv', '/blocks.1/position/proj/Conv', ['/blocks.0/norm/LayerNormalization', 'position.proj.weight']],
      ['Relu', '/blocks.1/act/Relu', ['/blocks.1/position/proj/Conv']],
    ];
    const graph = graphOf(shared);
    const scale = graph.nodes[1]?.inputs[1];
    if (scale) scale.constant = constantOf('float32', [1], [1]);
    const leaves = recoverModules(graph).filter(({ leaf }) => leaf);
    expect(leaves.map(({ path, call }) => `${path}#${call}`)).toEqual([
      'position.proj#0',
      'blocks.0.norm#0',
      'position.proj#1',
      'blocks.1.act#0',
    ]);
  });

  it('tells a second call from a module whose name ends in a number', () => {
    expect(
      list([
        ['Conv', '/conv_1/Conv', ['x', 'conv_1.weight']],
        ['Conv', '/conv/Conv', ['/conv_1/Conv', 'conv.weight']],
        ['Conv', '/conv_1/Conv_1', ['/conv/Conv', 'conv.weight']],
        ['Relu', '/relu/Relu', ['/conv_1/Conv_1']],
        ['Relu', '/relu_1/Relu', ['/relu/Relu']],
      ]),
    ).toEqual(['conv_1#0 Conv2d', 'conv#0 Conv2d', 'conv#1 Conv2d', 'relu#0 ReLU', 'relu#1 ReLU']);
  });

  it('separates two calls of a container', () => {
    const block = (suffix: string, input: string): NodeSpec[] => [
      ['MatMul', `/blocks.0/fc${suffix}/MatMul`, [input, 'onnx::MatMul_1']],
      ['Add', `/blocks.0/fc${suffix}/Add`, ['blocks.0.fc.bias', `/blocks.0/fc${suffix}/MatMul`]],
      ['Add', `/blocks.0${suffix}/Add`, [input, `/blocks.0/fc${suffix}/Add`]],
    ];
    expect(list([...block('', 'x'), ['Sqrt', '/Sqrt', ['/blocks.0/Add']], ...block('_1', '/Sqrt')])).toEqual([
      'blocks.0.fc#0 Linear',
      'blocks.0#0 Module +',
      'blocks.0.fc#1 Linear',
      'blocks.0#1 Module +',
    ]);
  });

  it('does not hook functional calls', () => {
    expect(
      list([
        ['Conv', '/conv/Conv', ['x', 'conv.weight']],
        ['Sigmoid', '/Sigmoid', ['/conv/Conv']],
        ['Mul', '/Mul', ['/conv/Conv', '/Sigmoid']],
      ]),
    ).toEqual(['conv#0 Conv2d']);
  });

  it('tells adaptive pooling by the padding that it does not write', () => {
    const graph = graphOf([
      ['AveragePool', '/pool/AveragePool', ['x']],
      ['AveragePool', '/adaptive/AveragePool', ['/pool/AveragePool']],
    ]);
    Object.assign(graph.nodes[0]?.attributes ?? {}, { pads: ints([0, 0, 0, 0]) });
    expect(recoverModules(graph).map(({ class: className }) => className)).toEqual(['AvgPool2d', 'AdaptiveAvgPool2d']);
  });

  it('looks past shape arithmetic and prepared weights', () => {
    expect(
      list([
        ['Identity', 'fc.bias', ['other.bias']],
        ['Shape', '/flat/Shape', ['x']],
        ['Slice', '/flat/Slice', ['/flat/Shape']],
        ['Concat', '/flat/Concat', ['/flat/Slice', 'minus one']],
        ['Reshape', '/flat/Reshape', ['x', '/flat/Concat']],
        ['MatMul', '/fc/MatMul', ['/flat/Reshape', 'onnx::MatMul_3']],
        ['Add', '/fc/Add', ['fc.bias', '/fc/MatMul']],
      ]),
    ).toEqual(['flat#0 Flatten', 'fc#0 Linear']);
  });
});

const CONV = 'torch.nn.modules.conv.Conv2d';
const RELU = 'torch.nn.modules.activation.ReLU';

describe('dynamo metadata', () => {
  it('reads the lists Python prints', () => {
    expect(parsePythonList(`['', "it's", 'a\\'b', 'c\\\\d', '\\x41']`)).toEqual(['', "it's", "a'b", 'c\\d', 'A']);
    expect(parsePythonList('[]')).toEqual([]);
  });

  it('separates calls that feed each other directly', () => {
    expect(
      list([
        ['Conv', 'a', ['x', 'conv.weight'], [`conv:${CONV}`]],
        ['Conv', 'b', ['a', 'conv.weight'], [`conv:${CONV}`]],
      ]),
    ).toEqual(['conv#0 Conv2d', 'conv#1 Conv2d']);
  });

  it('separates calls on different branches, and calls with something between', () => {
    expect(
      list([
        ['Relu', 'a', ['x'], [`relu:${RELU}`]],
        ['Relu', 'b', ['x'], [`relu:${RELU}`]],
        ['Add', 'c', ['a', 'b']],
        ['Relu', 'd', ['c'], [`relu:${RELU}`]],
      ]),
    ).toEqual(['relu#0 ReLU', 'relu#1 ReLU', 'relu#2 ReLU']);
  });

  it('knows the marks that torch.export puts behind the path of a second call', () => {
    expect(
      list([
        ['Relu', 'a', ['x'], [`relu:${RELU}`]],
        ['Relu', 'b', ['a'], [`relu@1:${RELU}`]],
      ]),
    ).toEqual(['relu#0 ReLU', 'relu#1 ReLU']);
  });

  it('takes a convolution whose weight is computed by children for a leaf', () => {
    const weight = 'conv.parametrizations.weight';
    expect(
      list([
        ['Mul', 'w', [`${weight}.original0`, `${weight}.original1`], [`conv:${CONV}`, `${weight}.0:my.Scale`]],
        ['Conv', 'y', ['x', 'w'], [`conv:${CONV}`]],
      ]),
    ).toEqual(['conv#0 Conv2d']);
  });

  it('separates calls of a module whose class says nothing, by what is between them or by what they do', () => {
    const own = ['m:my.Own'];
    expect(
      list([
        ['Sqrt', 'a', ['x'], own],
        ['Exp', 'b', ['a']],
        ['Mul', 'c', ['a', 'b'], own],
      ]),
    ).toEqual(['m#0 Own', 'm#1 Own']);
    expect(
      list([
        ['Sqrt', 'a', ['x'], own],
        ['Sqrt', 'b', ['x'], own],
        ['Add', 'c', ['a', 'b']],
      ]),
    ).toEqual(['m#0 Own', 'm#1 Own']);
  });

  it('leaves what rearranges the output of a module outside', () => {
    const calls = recoverModules(
      graphOf([
        ['Conv', 'a', ['x', 'conv.weight'], [`conv:${CONV}`]],
        ['Reshape', 'b', ['a', 'shape']],
      ]),
    );
    expect(calls.map(({ path, output }) => [path, output.name])).toEqual([['conv', 'a']]);
  });

  it('keeps a call of many operators in one piece, and its idle children from making it a leaf', () => {
    const scope = ['att:torch.nn.modules.activation.MultiheadAttention'];
    expect(
      list([
        ['Transpose', 'a', ['x'], scope],
        ['MatMul', 'q', ['a', 'wq'], scope],
        ['MatMul', 'k', ['a', 'wk'], scope],
        ['Transpose', 'kt', ['k'], scope],
        ['MatMul', 'qk', ['q', 'kt'], scope],
        ['Softmax', 's', ['qk'], scope],
        ['Gemm', 'o', ['s', 'att.out_proj.weight'], scope],
      ]),
    ).toEqual(['att#0 MultiheadAttention +']);
  });

  it('orders a container after the child that computes its output', () => {
    expect(
      list([
        ['Conv', 'a', ['x', 's.0.weight'], ['s:torch.nn.modules.container.Sequential', `s.0:${CONV}`]],
        ['Relu', 'b', ['a'], ['s:torch.nn.modules.container.Sequential', `s.1:${RELU}`]],
      ]),
    ).toEqual(['s.0#0 Conv2d', 's.1#0 ReLU', 's#0 Sequential +']);
  });

  it('takes the output that is read outside, not the last node', () => {
    const [call] = recoverModules(
      graphOf([
        ['Sqrt', 'a', ['x'], ['m:my.Own']],
        ['Exp', 'unused', ['a'], ['m:my.Own']],
        ['Sqrt', 'b', ['a']],
      ]),
    );
    expect(call?.output.name).toBe('a');
    expect(call?.qualifiedClass).toBe('my.Own');
  });

  it('finds a convolution that absorbed a BatchNorm by either class', () => {
    const calls = recoverModules(
      graphOf([
        ['Conv', 'a', ['x', 'stem.0.weight', 'stem.0.bias'], ['stem.1:torch.nn.modules.batchnorm.BatchNorm2d']],
      ]),
    );
    expect(calls.map(({ path, folded }) => [path, folded])).toEqual([['stem.1', { path: 'stem.0', class: 'Conv2d' }]]);
    expect(selectHooks(calls, ['Conv2d'])).toEqual(calls);
    expect(selectHooks(calls, ['BatchNorm2d', 'Conv2d'])).toEqual(calls);
  });

  it('takes no convolution out of a BatchNorm that computes more by itself', () => {
    const scopes = ['stem.1:my.BatchNormReLU'];
    const calls = recoverModules(
      graphOf([
        ['Conv', 'a', ['x', 'stem.0.weight', 'stem.0.bias'], scopes],
        ['Relu', 'b', ['a'], scopes],
      ]),
    );
    expect(calls.map(({ path, output, folded }) => [path, output.name, folded])).toEqual([['stem.1', 'b', undefined]]);
  });
});

describe('files without scopes', () => {
  it('recognises layers by their operators, the longest first', () => {
    expect(
      list([
        ['Conv', 'Conv_0', ['x', 'features.0.weight']],
        ['Sigmoid', 'Sigmoid_1', ['Conv_0']],
        ['Mul', 'Mul_2', ['Conv_0', 'Sigmoid_1']],
        ['MatMul', 'MatMul_3', ['Mul_2', 'weight of a layer']],
        ['Add', 'Add_4', ['bias of a layer', 'MatMul_3']],
        ['Div', 'Div_5', ['Add_4', 'root two']],
        ['Erf', 'Erf_6', ['Div_5']],
        ['Add', 'Add_7', ['Erf_6', 'one']],
        ['Mul', 'Mul_8', ['Add_4', 'Add_7']],
        ['Mul', 'Mul_9', ['Mul_8', 'half']],
        ['Sigmoid', 'Sigmoid_10', ['Mul_9']],
      ]),
    ).toEqual(['features.0#0 Conv2d', 'Sigmoid_1#0 SiLU', 'MatMul_3#0 Linear', 'Div_5#0 GELU', 'Sigmoid_10#0 Sigmoid']);
  });

  it('tells a LayerNorm over channels and a QuickGELU', () => {
    const graph = graphOf([
      ['Transpose', 'a', ['x']],
      ['LayerNormalization', 'b', ['a', 'norm.weight', 'norm.bias']],
      ['Transpose', 'c', ['b']],
      ['Mul', 'd', ['c', 'slope']],
      ['Sigmoid', 'e', ['d']],
      ['Mul', 'f', ['c', 'e']],
    ]);
    for (const [i, perm] of [
      [0, [0, 2, 3, 1]],
      [2, [0, 3, 1, 2]],
    ] as const)
      Object.assign(graph.nodes[i]?.attributes ?? {}, { perm: ints(perm) });
    const calls = recoverModules(graph);
    expect(calls.map(({ class: name, output }) => `${name} ${output.name}`)).toEqual(['LayerNorm2d c', 'QuickGELU f']);
    expect(selectHooks(calls, ['LayerNorm'])).toEqual(calls.slice(0, 1));
  });

  it('takes no product of activations for a layer', () => {
    expect(
      list([
        ['Relu', 'a', ['x']],
        ['MatMul', 'b', ['a', 'x']],
      ]),
    ).toEqual(['a#0 ReLU']);
  });
});
