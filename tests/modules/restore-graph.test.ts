/** Nodes that exporters and optimisers merged or moved: order and views are again what PyTorch's hooks see. */
import { describe, expect, it } from 'vitest';
import { constantOf, type Graph, numbersOf, sizeOf } from '../../src/graph/index.js';
import { recoverModules } from '../../src/modules/index.js';
import { graphOf, type NodeSpec } from './build.js';

describe('order', () => {
  /** A block whose shortcut is a convolution too, as an optimiser sorts it. */
  const block = (numbers: readonly number[]): NodeSpec[] => [
    ['Conv', '/b/conv1/Conv', ['x', `onnx::Conv_${numbers[0]}`]],
    ['AveragePool', '/b/shortcut/shortcut.0/AveragePool', ['x']],
    ['Conv', '/b/shortcut/shortcut.1/Conv', ['/b/shortcut/shortcut.0/AveragePool', `onnx::Conv_${numbers[2]}`]],
    ['Relu', '/b/relu/Relu', ['/b/conv1/Conv']],
    ['Conv', '/b/conv2/Conv', ['/b/relu/Relu', `onnx::Conv_${numbers[1]}`]],
    ['Add', '/b/Add', ['/b/conv2/Conv', '/b/shortcut/shortcut.1/Conv']],
  ];
  const paths = (specs: readonly NodeSpec[]): string[] =>
    recoverModules(graphOf(specs)).flatMap(({ leaf, path }) => (leaf ? [path] : []));

  it('is that of the numbers of weights', () => {
    expect(paths(block([8, 11, 14]))).toEqual(['b.conv1', 'b.relu', 'b.conv2', 'b.shortcut.0', 'b.shortcut.1']);
  });

  it('stays where numbers agree with it', () => {
    expect(paths(block([8, 14, 11]))).toEqual(['b.conv1', 'b.shortcut.0', 'b.shortcut.1', 'b.relu', 'b.conv2']);
  });
});

describe('a view that ended a module', () => {
  /** Two modules of class Join, the view of the first one merged with the view that begins Split. */
  const graph = (sizes: { first: number[]; complete: number[] }): Graph => {
    const made = graphOf([
      ['Reshape', 'a', ['x', 'inner'], ['join:my.Join']],
      ['Transpose', 'b', ['a'], ['join:my.Join']],
      ['Reshape', 'c', ['b', 'merged'], ['split:my.Split']],
      ['Relu', 'd', ['c']],
      ['Reshape', 'e', ['d', 'other'], ['join2:my.Join']],
      ['Transpose', 'f', ['e'], ['join2:my.Join']],
      ['Reshape', 'g', ['f', 'outer'], ['join2:my.Join']],
    ]);
    const shapes = { inner: sizes.first, merged: [3, 4], other: [3, 2, 2], outer: sizes.complete };
    for (const { inputs } of made.nodes) {
      const shape = shapes[inputs[1]?.name as keyof typeof shapes];
      if (inputs[1] && shape) inputs[1].constant = constantOf('int64', [shape.length], shape);
    }
    const [, , node] = made.nodes;
    Object.assign(node?.metadata ?? {}, { 'pkg.onnxscript.rewriter.rule_name': 'ReshapeReshape' });
    return made;
  };

  it('has the shape of windows where it ended an Unfold', () => {
    const scope = 'unfold:torch.nn.modules.fold.Unfold';
    const made = graphOf([
      ['Gather', 'rows', ['x', 'high'], [scope]],
      ['Gather', 'columns', ['rows', 'wide'], [scope]],
      ['Transpose', 'windows', ['columns'], [scope]],
      ['Reshape', 'view', ['windows', 'merged'], ['split:my.Split']],
    ]);
    const shapes = { high: [3, 4], wide: [3, 5], merged: [5] };
    for (const { inputs } of made.nodes) {
      const shape = shapes[inputs[1]?.name as keyof typeof shapes];
      if (inputs[1] && shape) inputs[1].constant = constantOf('int64', shape, new Float64Array(sizeOf(shape)));
    }
    Object.assign(made.nodes[3]?.metadata ?? {}, { 'pkg.onnxscript.rewriter.rule_name': 'ReshapeReshape' });
    const [unfold] = recoverModules(made);
    expect(unfold?.nodes.map(({ op }) => op)).toEqual(['Gather', 'Gather', 'Transpose', 'Reshape']);
    expect(numbersOf(unfold?.output.producer?.inputs[1]?.constant as never)).toEqual([0, -1, 20]);
  });

  it('has the shape of another call of its class', () => {
    const made = graph({ first: [2, 2, 3], complete: [2, 6] });
    const calls = recoverModules(made);
    const { output, nodes } = calls[0] ?? {};
    expect(calls.map(({ path, class: name }) => `${path} ${name}`)).toEqual(['join Join', 'split Split', 'join2 Join']);
    expect(nodes?.map(({ op }) => op)).toEqual(['Reshape', 'Transpose', 'Reshape']);
    expect(numbersOf(output?.producer?.inputs[1]?.constant as never)).toEqual([2, 6]);
    expect(calls[1]?.nodes[0]?.inputs[0]).toBe(output);
  });

  it('stays away where no call of its class has as many elements', () => {
    const made = graph({ first: [2, 2, 2], complete: [2, 6] });
    expect(recoverModules(made)[0]?.nodes.map(({ op }) => op)).toEqual(['Reshape', 'Transpose']);
  });
});
