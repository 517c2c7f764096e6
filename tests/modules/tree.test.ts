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
    '  (0): not in the file: idle in evaluation, or merged',
    '  (1): Conv2d 2 2',
    '  (2): ReLU 0 1',
    '  (3): not in the file: idle in evaluation, or merged',
    '  (4): Conv2d 1 1',
  ]);
});

it('says which module was merged into which', () => {
  const norm = 's.1:torch.nn.modules.batchnorm.BatchNorm2d';
  expect(print([['Conv', 'a', ['x', 's.0.weight', 's.0.bias'], [SEQUENTIAL, norm]]])).toEqual([
    '(s): Sequential 2 1',
    '  (0): merged into (1)',
    '  (1): BatchNorm2d with Conv2d s.0 2 1',
  ]);
  expect(print([['Conv', '/conv1/Conv', ['x', 'onnx::Conv_57', 'onnx::Conv_58']]])).toEqual([
    '(conv1): Conv2d with the BatchNorm behind it 2 1',
  ]);
});
