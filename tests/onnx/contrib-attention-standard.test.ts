/** The standard Attention of operator sets 23 and 24 against ONNX Runtime's kernel. */
import type { AttributeSpec, NodeSpec } from './build.js';
import { bool, type Case, compareWithKernel, expectRefused, int64, wave } from './kernel.js';

type Inputs = NonNullable<Case['inputs']>;
type Attributes = Record<string, AttributeSpec>;

/** Queries x `[2, 4, 3, 8]`, 5 keys. */
const split = (inputs: Inputs, attributes: Attributes = {}): Case => ({
  op: 'Attention',
  opset: 23,
  dims: [2, 4, 3, 8],
  inputs: [...KEYS, ...inputs],
  attributes,
});

/** Queries x `[2, 3, 8]`, which are keys and values too. */
const joint = (inputs: Inputs, attributes: Attributes = {}): Case => ({
  op: 'Attention',
  opset: 23,
  inputs: ['x', 'x', ...inputs],
  attributes: { q_num_heads: 2, kv_num_heads: 2, ...attributes },
});

const KEYS = [
  [2, 4, 5, 8],
  [2, 4, 5, 6],
] as const;

/** What 3 queries see of 5 keys; the second one sees nothing in the other mask. */
const SEEN = [1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1];
const BLIND = SEEN.map((seen, i) => (Math.floor(i / 5) === 1 ? 0 : seen));
const MASK = bool([3, 5], SEEN);
const numbers = (seen: readonly number[]) => ({
  dims: [3, 5],
  floats: seen.map((one, i) => (one ? Math.sin(i) : -Infinity)),
});

/** `table` of 3 × 5 numbers, and a `level` some of them are above. */
const TABLE: readonly NodeSpec[] = [
  ['Constant', [], ['flat'], { value_floats: { floats: wave(15, 1) } }],
  ['Constant', [], ['shape'], { value_ints: [3, 5] }],
  ['Reshape', ['flat', 'shape'], ['table']],
  ['Constant', [], ['level'], { value_float: { float: 0.2 } }],
];

const past: Inputs = [undefined, [2, 4, 2, 8], [2, 4, 2, 6]];
const withPast = ['y', 'k', 'v'];
const scores = ['a', '', '', 'y'];

compareWithKernel([
  ['in heads', split([])],
  ['in heads, which are counted', split([], { q_num_heads: 4, kv_num_heads: 4 })],
  ['joint', joint([])],
  ['causal', split([], { is_causal: 1 })],
  ['joint and causal', joint([], { is_causal: 1 })],
  ['scale', split([], { scale: { float: 0.7 } })],
  ['softcap', split([], { softcap: { float: 0.7 } })],
  [
    'shared keys',
    {
      ...split([]),
      inputs: [
        [2, 2, 5, 8],
        [2, 2, 5, 6],
      ],
    },
  ],
  ['shared keys, causal and masked', { ...split([], { is_causal: 1 }), inputs: [[2, 2, 5, 8], [2, 2, 5, 6], MASK] }],
  [
    'joint and shared keys',
    {
      ...joint([], { q_num_heads: 4, kv_num_heads: 2 }),
      inputs: [
        [2, 5, 4],
        [2, 5, 6],
      ],
    },
  ],
  ['mask of numbers', split([[3, 5]])],
  ['mask of numbers by sequence', split([[2, 1, 3, 5]])],
  ['mask of numbers by head', split([[4, 3, 5]], { softcap: { float: 0.7 } })],
  ['mask with infinities', split([numbers(SEEN)])],
  ['mask with infinities that hide all', split([numbers(BLIND)])],
  ['mask of booleans', split([MASK])],
  ['mask of booleans, capped and causal', split([MASK], { is_causal: 1, softcap: { float: 0.7 } })],
  ['mask of booleans that hides all', split([bool([3, 5], BLIND)])],
  ['mask of booleans by sequence', split([bool([2, 1, 3, 5], [...SEEN, ...SEEN.toReversed()])])],
  [
    'mask of booleans that is computed',
    {
      ...split(['mask']),
      before: [...TABLE, ['Greater', ['table', 'level'], ['high']], ['Identity', ['high'], ['mask']]],
    },
  ],
  [
    'mask of numbers that is computed',
    {
      ...split(['mask']),
      before: [
        ...TABLE,
        ['Constant', [], ['low'], { value_float: { float: -5 } }],
        ['Greater', ['table', 'level'], ['high']],
        ['Where', ['high', 'table', 'low'], ['mask']],
      ],
    },
  ],
  ['past', { ...split(past), outputs: withPast }],
  ['past, causal', { ...split(past, { is_causal: 1 }), outputs: withPast }],
  ['present keys', { ...split(past), outputs: ['a', 'y', 'v'] }],
  ['present values', { ...split(past), outputs: ['a', 'k', 'y'] }],
  ...[0, 1, 2, 3].map((mode): [string, Case] => [
    `scores, mode ${mode}`,
    { ...split([[3, 5]], { softcap: { float: 0.7 }, qk_matmul_output_mode: mode }), outputs: scores },
  ]),
  ['weights where all is hidden', { ...split([bool([3, 5], BLIND)], { qk_matmul_output_mode: 3 }), outputs: scores }],
  ['scores that nobody reads', { ...split([]), outputs: ['y', '', '', 'qk'] }],
  ['lengths, opset 24', { ...split([undefined, undefined, undefined, int64([2], [2, 4])]), opset: 24 }],
  [
    'lengths and causal, opset 24',
    { ...split([undefined, undefined, undefined, int64([2], [3, 5])], { is_causal: 1 }), opset: 24 },
  ],
  ['mask that hides all, opset 24', { ...split([bool([3, 5], BLIND)]), opset: 24 }],
]);

expectRefused([
  [
    'a window',
    split([], { left_window_size: 2 }),
    /Attention 'Attention_0': left_window_size is not supported; export the/,
  ],
]);
