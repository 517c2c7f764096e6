/** A model whose parts can be called what we call our own. */
import { floatTensor, input, modelBytes } from '../onnx/build.js';

/** What we call our own: of programs, of the graph, of training steps, and what we would call others to avoid those. */
export const NAMES = [
  ...['pred', 'target', 'loss', 'grad', 'hook_losses', 'feature_0', 'input_0', 'output_0'],
  ...['constant_12', 'add_3', 'random:0', 'next:model:conv.bias', 'model:conv.bias', 'model_input.loss', 'loss.1'],
  ...['input', 'output', 'step', 'lr'],
];
const ROLES = ['image', 'scale', 'offset', 'weight', 'bias', 'scaled', 'sum', 'y'] as const;
export type Role = (typeof ROLES)[number];

/** relu((image·scale + offset)·weight + bias), its parts named. */
export const modelOf = (name: (role: Role) => string): Uint8Array =>
  modelBytes({
    inputs: [input(name('image'), [1, 2, 'h', 'w']), input(name('scale'), [1]), input(name('offset'), [1])],
    initializers: [
      floatTensor(name('weight'), [1, 2, 1, 1], [2, -1]),
      floatTensor(name('bias'), [1, 2, 1, 1], [0.25, 1.5]),
    ],
    nodes: [
      ['Mul', [name('image'), name('scale')], [name('scaled')]],
      ['Add', [name('scaled'), name('offset')], [`${name('scaled')}.shape`]],
      ['Mul', [`${name('scaled')}.shape`, name('weight')], [name('sum')]],
      ['Add', [name('sum'), name('bias')], [`${name('sum')}.shape`]],
      ['Relu', [`${name('sum')}.shape`], [name('y')]],
    ],
    outputs: [name('y')],
  });

/** Names for the parts that are ours, moved on by `shift`. */
export const renamed =
  (shift: number) =>
  (role: Role): string =>
    NAMES[(ROLES.indexOf(role) + shift) % NAMES.length] as string;
