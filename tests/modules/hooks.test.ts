/** Which calls each kind of selector chooses. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/graph/index.js';
import { formatTree, moduleTree, recoverModules, selectHooks } from '../../src/modules/index.js';
import * as nn from '../../src/nn/index.js';
import { graphOf } from './build.js';

const LINEAR = 'torch.nn.modules.linear.Linear';
const calls = recoverModules(
  graphOf([
    ['MatMul', 'a', ['x', 'w1'], ['blocks.0:my.Block', `blocks.0.fc:${LINEAR}`]],
    ['Relu', 'b', ['a'], ['blocks.0:my.Block', 'blocks.0.act:torch.nn.modules.activation.ReLU6']],
    [
      'MatMul',
      'c',
      ['b', 'w2'],
      ['blocks.1:my.Block', 'blocks.1.fc:torch.nn.modules.linear.NonDynamicallyQuantizableLinear'],
    ],
    ['Sqrt', 'd', ['c'], ['blocks.1:my.Block']],
  ]),
);
const paths = (...selectors: Parameters<typeof selectHooks>[1]): string[] =>
  selectHooks(calls, selectors).map(({ path }) => path);

describe('selectHooks', () => {
  it('says that a model has no modules', () => {
    const bare = recoverModules(graphOf([['Add', 'a', ['x', 'x'], []]]));
    expect(() => selectHooks(bare, [])).toThrow(/^the model has no module that can be hooked: none of its nodes/);
  });

  it('hooks every leaf without selectors', () => {
    expect(paths()).toEqual(['blocks.0.fc', 'blocks.0.act', 'blocks.1.fc']);
  });

  it('matches classes and their subclasses, by class or name, containers too', () => {
    expect(paths(nn.Linear)).toEqual(['blocks.0.fc', 'blocks.1.fc']);
    expect(paths('Linear')).toEqual(paths(nn.Linear));
    expect(paths(nn.Hardtanh)).toEqual(['blocks.0.act']);
    expect(paths('Block')).toEqual(['blocks.0', 'blocks.1']);
  });

  it("takes the caller's own classes by their names, not by those of their bases", () => {
    class Block extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    class Wide extends nn.Linear {}
    expect(paths(Block)).toEqual(['blocks.0', 'blocks.1']);
    expect(() => paths(Wide)).toThrow(/^no module matched Wide; the model has/);
  });

  it.each([
    [/^blocks\.0\./g, ['blocks.0.fc', 'blocks.0.act']],
    [/^blocks\.0/, ['blocks.0.fc', 'blocks.0.act']],
    [/blocks/, ['blocks.0.fc', 'blocks.0.act', 'blocks.1.fc']],
    [/^.*$/, ['blocks.0.fc', 'blocks.0.act', 'blocks.1.fc']],
    [/.*[01]/, ['blocks.0.fc', 'blocks.0.act', 'blocks.1.fc']],
    [/^blocks\.1$/, ['blocks.1']],
    [/^blocks\.\d+$/gy, ['blocks.0', 'blocks.1']],
    [/^(blocks\.0|.*fc)$/, ['blocks.0.fc', 'blocks.0', 'blocks.1.fc']],
  ])('the pattern %s hooks leaves, and a container only where it fits no longer path', (pattern, expected) => {
    expect(paths(pattern)).toEqual(expected);
    expect(paths(String(pattern))).toEqual(expected);
  });

  it.each([[/\.1$/], [/blocks\.1$/], [/^blocks(?=\.1$)/]])(
    'hooks no container by %s, which fits a part of its path or a longer one',
    (pattern) => {
      expect(() => paths(pattern)).toThrow(/no module matched/);
    },
  );

  it('matches patterns with flags, and predicates', () => {
    expect(paths('/FC$/i')).toEqual(['blocks.0.fc', 'blocks.1.fc']);
    expect(paths((path) => path.endsWith('act'))).toEqual(['blocks.0.act']);
  });

  it('tells an instance of a class from one that has its name, as isinstance does', () => {
    const own = recoverModules(
      graphOf([
        ['Sqrt', 'a', ['x'], ['mine:my.Linear']],
        ['MatMul', 'b', ['a', 'w'], [`theirs:${LINEAR}`]],
      ]),
    );
    expect(selectHooks(own, [nn.Linear]).map(({ path }) => path)).toEqual(['theirs']);
    expect(selectHooks(own, ['Linear']).map(({ path }) => path)).toEqual(['mine', 'theirs']);
  });

  it('names what the model has when nothing matches', () => {
    expect(() => paths('Conv2d', /foo/)).toThrow(
      /no module matched Conv2d, \/foo\/; the model has Linear \(1\), ReLU6 \(1\)/,
    );
    expect(() => paths('/(/')).toThrow(/not a valid regular expression/);
  });
});

describe('moduleTree', () => {
  it('prints like Python', () => {
    expect(formatTree(moduleTree(calls), () => '')).toEqual([
      '(blocks): ModuleList',
      '  (0): Block',
      '    (fc): Linear',
      '    (act): ReLU6',
      '  (1): Block',
      '    (fc): NonDynamicallyQuantizableLinear',
    ]);
  });
});
