/** The tree that `inspect` prints. */
import { expect, it } from 'vitest';
import { formatTree, moduleTree, recoverModules } from '../../src/modules/index.js';
import { graphOf, type NodeSpec } from './build.js';

const print = (specs: readonly NodeSpec[]): string[] =>
  formatTree(moduleTree(recoverModules(graphOf(specs))), ({ parameters, calls }) => ` ${parameters} ${calls.length}`);

const CONV = 'torch.nn.modules.conv.Conv2d';
const SEQUENTIAL = 's:torch.nn.modules.container.Sequential';

it('counts shared weights once, and names what is missing from a Sequential', () => {
  expect(
    print([
      ['Conv', 'a', ['x', 's.1.weight', 's.1.bias'], [SEQUENTIAL, `s.1:${CONV}`]],
      ['Relu', 'b', ['a'], [SEQUENTIAL, 's.2:torch.nn.modules.activation.ReLU']],
      ['Conv', 'c', ['b', 's.1.weight', 's.1.bias'], [SEQUENTIAL, `s.1:${CONV}`]],
      ['Conv', 'd', ['c', 's.4.weight'], [SEQUENTIAL, `s.4:${CONV}`]],
    ]),
  ).toEqual([
    '(s): Sequential 3 1',
    '  (0): not in the file: Dropout, Identity, or never called',
    '  (1): Conv2d 2 2',
    '  (2): ReLU 0 1',
    '  (3): not in the file: Dropout, Identity, or never called',
    '  (4): Conv2d 1 1',
  ]);
});

it('says which module was merged into which', () => {
  const norm = 's.1:torch.nn.modules.batchnorm.BatchNorm2d';
  expect(print([['Conv', 'a', ['x', 's.0.weight', 's.0.bias'], [SEQUENTIAL, norm]]])).toEqual([
    '(s): Sequential 2 1',
    '  (0): Conv2d, merged into (1)',
    '  (1): BatchNorm2d with Conv2d s.0 2 1',
  ]);
  expect(print([['Conv', '/conv1/Conv', ['x', 'onnx::Conv_57', 'onnx::Conv_58']]])).toEqual([
    '(conv1): Conv2d with the BatchNorm behind it 2 1',
  ]);
  expect(
    print([
      ['Conv', '/s/s.0/Conv', ['x', 'onnx::Conv_57', 'onnx::Conv_58']],
      ['Relu', '/s/s.2/Relu', ['/s/s.0/Conv']],
      ['Gemm', '/s/s.4/Gemm', ['/s/s.2/Relu', 's.4.weight', 's.4.bias']],
    ]),
  ).toEqual([
    '(s): Sequential 4 1',
    '  (0): Conv2d with the BatchNorm behind it 2 1',
    '  (1): BatchNorm, merged into (0)',
    '  (2): ReLU 0 1',
    '  (3): not in the file: Dropout, Identity, or never called',
    '  (4): Linear 2 1',
  ]);
});

it('misses nothing in a list that is called in another order', () => {
  const linear = (index: number, input: string): NodeSpec => [
    'Gemm',
    `/head/list.${index}/Gemm`,
    [input, `head.list.${index}.weight`, `head.list.${index}.bias`],
  ];
  const lines = print([linear(2, 'x'), linear(1, '/head/list.2/Gemm'), linear(0, '/head/list.1/Gemm')]);
  expect(lines.map((line) => line.trim().split(' ')[0])).toEqual(['(head):', '(list):', '(2):', '(1):', '(0):']);
});
