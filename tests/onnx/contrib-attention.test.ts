/** The attention operators of com.microsoft against ONNX Runtime's kernels. */
import type { AttributeSpec, NodeSpec } from './build.js';
import { type Case, compareWithKernel, expectRefused, int32, int64 } from './kernel.js';

const MS = 'com.microsoft:';
type Inputs = NonNullable<Case['inputs']>;

/** x `[2, 3, 8]` on projections into 2 heads of 4. */
const attention = (inputs: Inputs = [], attributes: Record<string, AttributeSpec> = {}): Case => ({
  op: `${MS}Attention`,
  inputs: [[8, 24], [24], ...inputs],
  attributes: { num_heads: 2, ...attributes },
});

/** Queries x `[2, 3, 8]`. */
const multiHead = (inputs: Inputs, attributes: Record<string, AttributeSpec> = {}): Case => ({
  op: `${MS}MultiHeadAttention`,
  inputs,
  attributes: { num_heads: 2, ...attributes },
});

const LENGTHS = int32([2], [2, 3]);
const BY_KEY = int32([2, 3], [1, 1, 0, 0, 1, 1]);
const BY_QUERY = int32([2, 3, 3], [1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0]);
const SQUARE = int32(
  [2, 1, 4, 4],
  Array.from({ length: 32 }, (_, i) => (i % 3) % 2),
);

/** Masks of keys, for 2 sequences of 5. */
const cross = { keys: [2, 5, 8], lengths: int32([2], [2, 4]), byKey: int32([2, 5], [1, 1, 0, 0, 1, 0, 1, 1, 1, 0]) };

compareWithKernel([
  ['Attention', attention()],
  [
    // ONNX Runtime 1.30 crashes without a bias.
    'Attention without bias',
    {
      ...attention(),
      inputs: [[8, 24]],
      same: [
        ['Constant', [], ['zeros'], { value_floats: { floats: new Array(24).fill(0) } }],
        [`${MS}Attention`, ['x', 'w0', 'zeros'], ['y'], { num_heads: 2 }],
      ],
    },
  ],
  ['Attention, causal', attention([], { unidirectional: 1 })],
  ['Attention with a scale', attention([], { scale: { float: 0.3 } })],
  ['Attention with lengths', attention([LENGTHS])],
  ['Attention with a length of 0', attention([int32([2], [0, 3])])],
  ['Attention with ends and starts', attention([int32([4], [2, 3, 0, 1])])],
  ['Attention with lengths and places', attention([int32([8], [2, 3, 0, 3, 6, 0, 2, 5])])],
  ['Attention with a mask of keys', attention([BY_KEY])],
  ['Attention with a mask of keys, all but hidden', attention([BY_KEY], { mask_filter_value: { float: -1 } })],
  ['Attention with a mask of queries and keys', attention([BY_QUERY])],
  ['Attention with a mask of keys, causal', attention([BY_KEY], { unidirectional: 1 })],
  ['Attention with a mask and a bias', attention([LENGTHS, undefined, [2, 2, 3, 3]], { unidirectional: 1 })],
  ['Attention with a bias of one head', attention([undefined, undefined, [2, 1, 3, 3]])],
  ['Attention with a bias of one sequence', attention([undefined, undefined, [1, 2, 3, 3]])],
  [
    'Attention with narrower values',
    { ...attention([BY_KEY], { qkv_hidden_sizes: [8, 8, 4] }), inputs: [[8, 20], [20], BY_KEY] },
  ],
  ['Attention, its keys and values', { ...attention([BY_KEY]), outputs: ['a', 'y'] }],
  [
    // ONNX Runtime's kernel for the CPU lacks this form; its part that counts is a mask of queries and keys.
    'Attention with a square mask',
    {
      ...attention([SQUARE]),
      same: [
        ['Constant', [], ['starts'], { value_ints: [0, 0] }],
        ['Constant', [], ['ends'], { value_ints: [3, 3] }],
        ['Constant', [], ['axes'], { value_ints: [2, 3] }],
        ['Constant', [], ['heads'], { value_ints: [1] }],
        ['Slice', ['w2', 'starts', 'ends', 'axes'], ['part']],
        ['Squeeze', ['part', 'heads'], ['mask']],
        [`${MS}Attention`, ['x', 'w0', 'w1', 'mask'], ['y'], { num_heads: 2 }],
      ],
    },
  ],

  ['MultiHeadAttention', multiHead(['x', 'x'], { num_heads: 4 })],
  ['MultiHeadAttention, causal', multiHead(['x', 'x'], { unidirectional: 1 })],
  [
    'MultiHeadAttention with bias and scale',
    multiHead(['x', 'x', [24], undefined, [1, 1, 3, 3]], { scale: { float: 0.3 } }),
  ],
  ['MultiHeadAttention to others', multiHead([cross.keys, cross.keys])],
  ['MultiHeadAttention with narrower values', multiHead([cross.keys, [2, 5, 4]])],
  ['MultiHeadAttention with narrower values and bias', multiHead([cross.keys, [2, 5, 4], [20]])],
  ['MultiHeadAttention on keys in heads', multiHead([[2, 2, 5, 4], [2, 2, 5, 4], undefined, cross.byKey])],
  ['MultiHeadAttention with lengths', multiHead([cross.keys, cross.keys, undefined, cross.lengths])],
  [
    'MultiHeadAttention with lengths and places',
    multiHead([cross.keys, cross.keys, undefined, int32([8], [2, 4, 0, 3, 6, 0, 2, 6])]),
  ],
  ['MultiHeadAttention with a mask of keys', multiHead([cross.keys, cross.keys, undefined, cross.byKey])],
  ['MultiHeadAttention with a mask of queries and keys', multiHead(['x', 'x', undefined, BY_QUERY])],
  [
    'MultiHeadAttention with mask, bias and more',
    multiHead(['x', 'x', [24], BY_KEY, [2, 1, 3, 3]], { unidirectional: 1, mask_filter_value: { float: -2 } }),
  ],
  [
    'MultiHeadAttention with a past',
    { ...multiHead(['x', 'x', undefined, undefined, undefined, [2, 2, 4, 4], [2, 2, 4, 4]]), outputs: ['y', 'k', 'v'] },
  ],
  [
    'MultiHeadAttention with a past, causal and masked',
    {
      ...multiHead(
        ['x', 'x', undefined, int32([2, 5], [1, 1, 0, 0, 1, 0, 1, 1, 1, 0]), undefined, [2, 2, 2, 4], [2, 2, 2, 4]],
        { unidirectional: 1 },
      ),
      outputs: ['y', 'k', 'v'],
    },
  ],
  ['MultiHeadAttention, its keys', { ...multiHead(['x', 'x', [24]]), outputs: ['a', 'y'] }],
  ['MultiHeadAttention, its values', { ...multiHead(['x', 'x', [24]]), outputs: ['a', 'k', 'y'] }],
  [
    'MultiHeadAttention, its scores',
    { ...multiHead(['x', 'x', undefined, undefined, [1, 2, 3, 3]]), outputs: ['a', 'k', 'v', 'y'] },
  ],
  ...[undefined, [24]].map((bias): [string, Case] => [
    // ONNX Runtime's kernel for the CPU lacks the packed forms: the parts are given one by one.
    `MultiHeadAttention on all in one${bias ? ' with bias' : ''}`,
    {
      ...multiHead([undefined, undefined, bias]),
      dims: [2, 3, 2, 3, 4],
      same: [...parted('x', ['q', 'k', 'v']), unpackedAttention('q', 'k', 'v', bias && 'w2')],
    },
  ]),
  [
    'MultiHeadAttention on keys and values in one',
    {
      ...multiHead([[2, 5, 2, 2, 4], undefined, undefined, cross.byKey]),
      same: [...parted('w0', ['k', 'v']), unpackedAttention('x', 'k', 'v', undefined, 'w3')],
    },
  ],

  ...grouped(),
]);

/** The parts that lie behind one another on the fourth axis, each as `[B, L, N·E]`. */
function parted(packed: string, names: readonly string[]): NodeSpec[] {
  return [
    ['Split', [packed], names.map((name) => `${name}_part`), { axis: 3, num_outputs: names.length }],
    ['Constant', [], ['joined'], { value_ints: [0, 0, -1] }],
    ...names.map((name): NodeSpec => ['Reshape', [`${name}_part`, 'joined'], [name]]),
  ];
}

function unpackedAttention(query: string, key: string, value: string, bias = '', mask = ''): NodeSpec {
  return [`${MS}MultiHeadAttention`, [query, key, value, bias, mask], ['y'], { num_heads: 2 }];
}

/** 4 heads of 32 for queries x `[2, 5, 128]`, 2 for keys and values; the kernel wants the lengths. */
function grouped(): [string, Case][] {
  const lengths: Inputs = [int32([2], [4, 4]), int32([], [5])];
  const keys = [2, 5, 64];
  const form = (inputs: Inputs, attributes: Record<string, AttributeSpec> = {}): Case => ({
    op: `${MS}GroupQueryAttention`,
    dims: [2, 5, 128],
    inputs: [keys, keys, undefined, undefined, ...lengths, ...inputs],
    attributes: { num_heads: 4, kv_num_heads: 2, ...attributes },
  });
  const cache = [9, 16];
  const narrow = [9, 8];
  const rotary = { do_rotary: 1 };
  return [
    ['GroupQueryAttention', form([])],
    [
      'GroupQueryAttention with as many keys',
      { ...form([], { kv_num_heads: 4 }), inputs: ['x', 'x', undefined, undefined, ...lengths] },
    ],
    [
      'GroupQueryAttention on all in one',
      { ...form([]), dims: [2, 5, 256], inputs: [undefined, undefined, undefined, undefined, ...lengths] },
    ],
    ['GroupQueryAttention, both ways', form([], { causal: 0 })],
    ['GroupQueryAttention within a window', form([], { local_window_size: 2 })],
    ['GroupQueryAttention with a softcap', form([], { softcap: { float: 0.7 }, scale: { float: 0.4 } })],
    ['GroupQueryAttention with a bias', form([undefined, undefined, undefined, [1, 1, 5, 5]])],
    ['GroupQueryAttention, rotary', form([cache, cache], rotary)],
    ['GroupQueryAttention, rotary and interleaved', form([cache, cache], { ...rotary, rotary_interleaved: 1 })],
    ['GroupQueryAttention, partly rotary', form([narrow, narrow], rotary)],
    [
      'GroupQueryAttention, rotary from a position on',
      form([cache, cache, int64([2, 5], [2, 3, 4, 5, 6, 2, 3, 4, 5, 6])], rotary),
    ],
    ['GroupQueryAttention, its keys', { ...form([cache, cache], rotary), outputs: ['a', 'y', 'v'] }],
  ];
}

const past = [2, 2, 4, 4];
expectRefused([
  [
    'a past of Attention',
    attention([undefined, [2, 2, 2, 3, 4]]),
    /Attention 'Attention_0': its input past is not supp/,
  ],
  [
    'rotary Attention',
    attention([], { do_rotary: 1 }),
    /do_rotary is not supported; export it without ONNX Runtime's opt/,
  ],
  [
    'a shared buffer',
    multiHead(['x', 'x', undefined, undefined, undefined, past, past, int32([1], [2])]),
    /its input past_sequence_length is not supported/,
  ],
  [
    'a past of GroupQueryAttention',
    { op: `${MS}GroupQueryAttention`, inputs: ['x', 'x', past, past], attributes: { num_heads: 2, kv_num_heads: 2 } },
    /GroupQueryAttention 'GroupQueryAttention_0': its input past_key is not supported/,
  ],
  [
    'a smooth softmax',
    {
      op: `${MS}GroupQueryAttention`,
      inputs: ['x', 'x'],
      attributes: { num_heads: 2, kv_num_heads: 2, smooth_softmax: 1 },
    },
    /smooth_softmax is not supported/,
  ],
]);
