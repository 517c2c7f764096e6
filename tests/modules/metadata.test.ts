/** Metadata that does not say what it should: what can be read is used, and the rest is told. */
import { describe, expect, it } from 'vitest';
import type { Graph, Node } from '../../src/graph/index.js';
import { metadataProblem, recoverModules } from '../../src/modules/index.js';
import { graphOf } from './build.js';

const CONV = 'torch.nn.modules.conv.Conv2d';
const SCOPES = 'pkg.torch.onnx.name_scopes';
const CLASSES = 'pkg.torch.onnx.class_hierarchy';

/** Two convolutions and what is between them, the metadata of one node replaced. */
function graph(index?: number, metadata?: Record<string, string>): Graph {
  const made = graphOf([
    ['Conv', 'a', ['x', 'first.weight'], [`first:${CONV}`]],
    ['Sigmoid', 'b', ['a'], ['act:torch.nn.modules.activation.SiLU']],
    ['Mul', 'c', ['a', 'b'], ['act:torch.nn.modules.activation.SiLU']],
    ['Conv', 'd', ['c', 'second.weight'], [`second:${CONV}`]],
  ]);
  if (index !== undefined && metadata) Object.assign(made.nodes[index] as Node, { metadata });
  return made;
}

const listed = (made: Graph): string[] => recoverModules(made).map(({ path, class: name }) => `${path} ${name}`);
const complete = ['first Conv2d', 'act SiLU', 'second Conv2d'];

describe('metadata', () => {
  it('that is whole is used without a word', () => {
    expect(metadataProblem(graph())).toBeUndefined();
    expect(metadataProblem(graphOf([['Relu', 'a', ['x']]]))).toBeUndefined();
  });

  const cases: [what: string, index: number, metadata: Record<string, string>, modules: string[]][] = [
    [
      'with a class too few',
      0,
      { [SCOPES]: "['', 'first', 'conv2d']", [CLASSES]: "['Net', 'aten.conv2d.default']" },
      complete,
    ],
    ['without classes', 3, { [SCOPES]: "['', 'second', 'conv2d']" }, complete],
    ['without a class for a part of a module', 1, { [SCOPES]: "['', 'act', 'silu']" }, complete],
    ['that is no list', 3, { [SCOPES]: 'second', [CLASSES]: '' }, complete.slice(0, 2)],
    ['without paths', 3, { [CLASSES]: `['Net', '${CONV}', 'aten.conv2d.default']` }, complete.slice(0, 2)],
  ];
  it.each(cases)(
    '%s: paths are used, operators tell the class, and the node is named',
    (_, index, metadata, modules) => {
      const made = graph(index, metadata);
      expect(metadataProblem(made)).toMatch(
        new RegExp(
          `^the metadata of 1 of 4 nodes does not give one class .* '${made.nodes[index]?.name}': .* same length`,
        ),
      );
      expect(listed(made)).toEqual(modules);
    },
  );
});
