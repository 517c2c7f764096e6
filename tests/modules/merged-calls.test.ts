/** Calls on equal inputs that an exporter wrote once. */
import { describe, expect, it } from 'vitest';
import { recoverModules } from '../../src/modules/index.js';
import { graphOf, type NodeSpec } from './build.js';

const list = (specs: readonly NodeSpec[]): string[] =>
  recoverModules(graphOf(specs))
    .filter(({ leaf }) => leaf)
    .map((call) => `${call.path}#${call.call} ${call.output.name}`);

const LINEAR = 'torch.nn.modules.linear.Linear';
const SILU = 'torch.nn.modules.activation.SiLU';
const CONV = 'torch.nn.modules.conv.Conv2d';

/** Blocks that scale their input by a projection of act(time), whose act(time) is the first one's. */
const blocks = (...paths: readonly [string, className: string][]): NodeSpec[] =>
  paths.flatMap(([path, className], i): NodeSpec[] => [
    ['Conv', `conv${i}`, [i === 0 ? 'x' : `y${i - 1}`, `w${i}`], [`${path}:${className}`, `${path}.conv:${CONV}`]],
    ...(i === 0 ? [['Mish', 'act', ['x'], [`${path}:${className}`, `${path}.act:${SILU}`]] as NodeSpec] : []),
    ['MatMul', `proj${i}`, ['act', `v${i}`], [`${path}:${className}`, `${path}.proj:${LINEAR}`]],
    ['Mul', `y${i}`, [`conv${i}`, `proj${i}`], [`${path}:${className}`]],
  ]);

describe('a call that stands for those of other blocks', () => {
  const expected = (first: string, second: string): string[] => [
    `${first}.conv#0 conv0`,
    `${first}.act#0 act`,
    `${first}.proj#0 proj0`,
    `${second}.conv#0 conv1`,
    `${second}.act#0 act`,
    `${second}.proj#0 proj1`,
  ];

  it('is found by the class of the blocks', () => {
    expect(list(blocks(['down.0', 'my.Block'], ['mid', 'my.Block']))).toEqual(expected('down.0', 'mid'));
  });

  it('is found by the numbers in their paths, in Sequentials too', () => {
    const names = (path: string): [string, string] => [path, 'torch.nn.modules.container.Sequential'];
    expect(list(blocks(names('b.0.ada'), names('b.1.ada')))).toEqual(expected('b.0.ada', 'b.1.ada'));
  });

  it('is found by other calls of the same part, where names are all there is', () => {
    const names = (scope: string, i: number, input: string): NodeSpec[] => [
      ['Relu', `/${scope}/act/Relu`, [input]],
      ['MatMul', `/${scope}/proj/MatMul`, ['/down.0/act_1/Relu', `w${i}`]],
      ['Mul', `/${scope}/Mul`, [`/${scope}/act/Relu`, `/${scope}/proj/MatMul`]],
    ];
    const [act, ...rest] = names('down.0', 0, 'x');
    const specs = [act as NodeSpec, ['Relu', '/down.0/act_1/Relu', ['x']] as NodeSpec, ...rest];
    expect(list([...specs, ...names('mid', 1, '/down.0/Mul')])).toEqual([
      'down.0.act#0 /down.0/act/Relu',
      'down.0.act#1 /down.0/act_1/Relu',
      'down.0.proj#0 /down.0/proj/MatMul',
      'mid.act#0 /mid/act/Relu',
      'mid.act#1 /down.0/act_1/Relu',
      'mid.proj#0 /mid/proj/MatMul',
    ]);
  });

  it('is not seen between containers of PyTorch, whose class says nothing of their children', () => {
    const [first, second] = ['encoder', 'decoder'];
    const names = (path: string): [string, string] => [path, 'torch.nn.modules.container.Sequential'];
    expect(list(blocks(names(first), names(second)))).toEqual(
      expected(first, second).filter((entry) => !entry.startsWith('decoder.act')),
    );
    const scopes = (path: string, child: number, className: string): string[] => [
      names(path).join(':'),
      `${path}.${child}:${className}`,
    ];
    expect(
      list([
        ['Mish', 'act', ['x'], scopes(first, 0, SILU)],
        ['MatMul', 'a', ['act', 'w0'], scopes(first, 1, LINEAR)],
        ['Conv', 'b', ['a', 'w1'], scopes(second, 0, CONV)],
        ['MatMul', 'c', ['act', 'w2'], scopes(second, 1, LINEAR)],
        ['Mul', 'y', ['b', 'c']],
      ]),
    ).toEqual(['encoder.0#0 act', 'encoder.1#0 a', 'decoder.0#0 b', 'decoder.1#0 c']);
  });

  it('is not seen in a layer of another kind of block that reads an activation', () => {
    expect(list(blocks(['encoder', 'my.Encoder'], ['decoder', 'my.Decoder']))).toEqual(
      expected('encoder', 'decoder').filter((entry) => !entry.startsWith('decoder.act')),
    );
  });
});
