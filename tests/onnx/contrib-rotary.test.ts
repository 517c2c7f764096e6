/** Rotary embeddings against ONNX Runtime's kernels. */
import { type Case, compareWithKernel, expectRefused, int64 } from './kernel.js';

const MS = 'com.microsoft:RotaryEmbedding';
const POSITIONS = int64([2, 3], [0, 3, 2, 1, 5, 6]);

/** Rank 3 `[B, S, N·E]` and rank 4 `[B, N, S, E]`, with N = 2 and E = 8. */
const LAYOUTS: readonly (readonly [string, readonly number[]])[] = [
  ['rank 3', [2, 3, 16]],
  ['rank 4', [2, 2, 3, 8]],
];

const forms = LAYOUTS.flatMap(([layout, dims]) =>
  [0, 1].flatMap((interleaved) => {
    const how = `${layout}${interleaved ? ', interleaved' : ''}`;
    const heads = { num_heads: 2, interleaved };
    const partly = { ...heads, rotary_embedding_dim: 4 };
    const full = [7, 4];
    const part = [7, 2];
    const standard = { op: 'RotaryEmbedding', opset: 23, dims };
    return [
      [`com.microsoft, ${how}`, { op: MS, dims, inputs: [POSITIONS, full, full], attributes: { interleaved } }],
      [`com.microsoft, ${how}, partly`, { op: MS, dims, inputs: [POSITIONS, part, part], attributes: partly }],
      [
        `com.microsoft, ${how}, all in so many words`,
        { op: MS, dims, inputs: [POSITIONS, full, full], attributes: { ...heads, rotary_embedding_dim: 8 } },
      ],
      [
        `com.microsoft, ${how}, from one position`,
        { op: MS, dims, inputs: [int64([1], [2]), full, full], attributes: { ...heads, scale: { float: 2 } } },
      ],
      [`opset 23, ${how}`, { ...standard, inputs: [full, full, POSITIONS], attributes: heads }],
      [`opset 23, ${how}, partly`, { ...standard, inputs: [part, part, POSITIONS], attributes: partly }],
      [
        `opset 23, ${how}, all in so many words`,
        { ...standard, inputs: [full, full, POSITIONS], attributes: { ...heads, rotary_embedding_dim: 8 } },
      ],
      [
        `opset 23, ${how}, rows by token`,
        {
          ...standard,
          inputs: [
            [2, 3, 4],
            [2, 3, 4],
          ],
          attributes: heads,
        },
      ],
    ] satisfies [string, Case][];
  }),
);

const rank4 = { op: 'RotaryEmbedding', opset: 23, dims: [2, 2, 3, 8] };

compareWithKernel([
  ...forms,
  ['opset 23, no heads given', { ...rank4, inputs: [[7, 4], [7, 4], POSITIONS] }],
  [
    'opset 23, no heads given, partly',
    { ...rank4, inputs: [[7, 2], [7, 2], POSITIONS], attributes: { rotary_embedding_dim: 4 } },
  ],
  [
    'com.microsoft, one token',
    { op: MS, dims: [1, 1, 8], inputs: [int64([1, 1], [3]), [7, 2], [7, 2]], attributes: { num_heads: 2 } },
  ],
]);

expectRefused([
  [
    'ragged batches',
    { op: MS, inputs: [POSITIONS, [7, 4], [7, 4]], attributes: { is_packed_batching: 1 } },
    /RotaryEmbedding 'RotaryEmbedding_0': is_packed_batching is not supported; export it without/,
  ],
]);
