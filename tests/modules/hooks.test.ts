/** Which calls each kind of selector chooses. */
import { describe, expect, it } from 'vitest';
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

  it('matches patterns on leaf paths, and a container that a pattern covers', () => {
    expect(paths(/^blocks\.0\./g)).toEqual(['blocks.0.fc', 'blocks.0.act']);
    expect(paths(/^blocks\.0/)).toEqual(['blocks.0.fc', 'blocks.0.act', 'blocks.0']);
    expect(paths(/^blocks\.1$/)).toEqual(['blocks.1']);
    expect(paths('/FC$/i')).toEqual(['blocks.0.fc', 'blocks.1.fc']);
    expect(paths((path) => path.endsWith('act'))).toEqual(['blocks.0.act']);
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
