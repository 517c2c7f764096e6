/** The attention operators of com.microsoft, spelled out. */
import { constantOf, int, type Value } from '../../graph/index.js';
import { attend, continued, type Heads, outOfSight } from '../attention.js';
import type { Draft, Expansions } from '../draft.js';
import { join, split, splitEither } from '../heads.js';
import { arange, cast, dimension, rankOf, reshape, splitLast, unsqueezedTo } from '../shapes.js';
import { rotate, rowsAt } from './rotary.js';

/** Attention: the projections in one matrix `[D, E + E + V]`, then attention of x `[B, S, D]` to itself. */
function expandAttention(draft: Draft): (Value | undefined)[] {
  draft.refuseInputs({ 4: 'past', 6: 'past_sequence_length' });
  if (draft.read.int('do_rotary', 0)) throw draft.unsupported('do_rotary');
  const [x, weights, bias, mask, , given] = draft.inputs as [Value, Value, Value?, Value?, Value?, Value?];
  const projected = draft.sum(draft.prepend('MatMul', [x, weights]), bias);
  const lengths = draft.read.ints('qkv_hidden_sizes');
  const parts = lengths
    ? splitLast(draft, projected, lengths)
    : draft.prependAll('Split', [projected], 3, { axis: int(-1), num_outputs: int(3) });
  const count = draft.read.int('num_heads', 1);
  const [query, key, value] = parts.map((part) => split(draft, part, count)) as [Value, Value, Value];
  const heads = { query, key, value };
  const { output } = attendMasked(draft, heads, { mask, given });
  return [join(draft, output), draft.outputs[1] && stacked(draft, key, value)];
}

/** Keys and values as one tensor, `[2, B, N, S, E]`. */
function stacked(draft: Draft, key: Value, value: Value): Value {
  const rows = [key, value].map((x) => draft.prepend('Unsqueeze', [x, draft.ints('axes', [0])]));
  return draft.prepend('Concat', rows, { axis: int(0) });
}

/** MultiHeadAttention: queries, keys and values in one of many layouts, with their biases in one vector. */
function expandMultiHeadAttention(draft: Draft): (Value | undefined)[] {
  draft.refuseInputs({ 8: 'past_sequence_length', 9: 'cache_indirection' });
  const [, givenKey, givenValue, bias, mask, given, pastKey, pastValue] = draft.inputs;
  const [query, key, value] = shifted(draft, unpacked(draft), bias);
  const count = draft.read.int('num_heads', 1);
  // Keys and values may be [B, N, L, E] already, where they are given by themselves and no bias is to be added.
  const splitKey = givenKey && givenValue && !bias ? splitEither : split;
  const heads = {
    query: split(draft, query, count),
    key: continued(draft, pastKey, splitKey(draft, key, count)),
    value: continued(draft, pastValue, splitKey(draft, value, count)),
  };
  const offset = pastKey && dimension(draft, pastKey, 2);
  const { output, biased } = attendMasked(draft, heads, { mask, given, offset });
  return [join(draft, output), heads.key, heads.value, biased];
}

/** Queries, keys and values `[B, L, N·E]`: all may be in the query `[B, L, N, 3, E]`, or keys and values in the key. */
function unpacked(draft: Draft): [Value, Value, Value] {
  const [query, key, value] = draft.inputs as [Value, Value?, Value?];
  const part = (packed: Value, index: number): Value => {
    const place = draft.constant('place', constantOf('int64', [], [index]));
    return reshape(draft, draft.prepend('Gather', [packed, place], { axis: int(3) }), [0, 0, -1]);
  };
  if (key === undefined) return [part(query, 0), part(query, 1), part(query, 2)];
  if (value === undefined) return [query, part(key, 0), part(key, 1)];
  return [query, key, value];
}

/** Each with its part of the bias. */
function shifted(draft: Draft, projections: [Value, Value, Value], bias: Value | undefined): [Value, Value, Value] {
  if (bias === undefined) return projections;
  const biases = splitLast(
    draft,
    bias,
    projections.map((x) => dimension(draft, x, -1)),
  );
  return projections.map((x, i) => draft.sum(x, biases[i])) as [Value, Value, Value];
}

interface Masks {
  readonly mask: Value | undefined;
  readonly given: Value | undefined;
  /** How many keys precede the first query. */
  readonly offset?: Value | undefined;
}

/** What Attention and MultiHeadAttention have in common. */
function attendMasked(draft: Draft, heads: Heads, { mask, given, offset }: Masks) {
  const terms = [mask && maskBias(draft, mask, heads), given].filter((term) => term !== undefined);
  const [first, ...others] = terms;
  return attend(draft, heads, {
    scale: draft.read.float('scale', 0),
    bias: first && draft.sum(first, ...others),
    hidden: outOfSight(draft, heads, { causal: draft.read.int('unidirectional', 0) !== 0, offset }),
  });
}

/**
 * `mask_filter_value` where a mask hides a key, 0 elsewhere: `[B, 1, 1, T]` or `[B, 1, S, T]`. The mask is nonzero where a
 * key is seen, `[B, T]`, `[B, S, T]` or the first rows and columns of `[B, 1, M, M]`; or a vector that begins with where the
 * keys of each sequence end, `[B]` or `[3·B + 2]`, or end and start, `[2·B]`. Which of them it is shows once shapes are known.
 */
function maskBias(draft: Draft, mask: Value, { query, key }: Heads): Value {
  const [batch, length] = [dimension(draft, query, 0), dimension(draft, key, 2)];
  const numbers = cast(draft, mask, 'INT64');
  const square = unsqueezedTo(draft, numbers, 4, [1, 2, 3]);
  const ends = draft.prepend('Concat', [batch, dimension(draft, query, 2), length], { axis: int(0) });
  const fitting = draft.prepend('Slice', [
    square,
    draft.ints('starts', [0, 0, 0]),
    ends,
    draft.ints('axes', [0, 2, 3]),
  ]);
  const marked = draft.prepend('Greater', [fitting, draft.ints('zero', [0])]);
  const columns = arange(draft, length);
  const early = draft.prepend('Less', [columns, startsOf(draft, numbers, batch)]);
  const inside = draft.prepend('Less', [columns, fitting]);
  const between = draft.prepend('And', [inside, draft.prepend('Not', [early])]);
  const isVector = draft.prepend('Equal', [rankOf(draft, mask), draft.ints('one', [1])]);
  const filter = draft.scalar('filter', draft.read.float('mask_filter_value', -10000));
  const bias = (seen: Value): Value => draft.prepend('Where', [seen, draft.scalar('zero', 0), filter]);
  return draft.prepend('Where', [isVector, bias(between), bias(marked)]);
}

/** Where the keys of each sequence start, `[B, 1, 1, 1]`: the second half of a mask `[2·B]`, 0 in others. */
function startsOf(draft: Draft, mask: Value, batch: Value): Value {
  const flat = reshape(draft, mask, [-1]);
  const count = dimension(draft, flat, 0);
  const withZero = draft.prepend('Concat', [flat, draft.ints('zero', [0])], { axis: int(0) });
  const isDouble = draft.prepend('Equal', [count, draft.prepend('Add', [batch, batch])]);
  const second = draft.prepend('Add', [arange(draft, batch), batch]);
  const places = draft.prepend('Where', [isDouble, second, count]);
  return reshape(draft, draft.prepend('Gather', [withZero, places], { axis: int(0) }), [-1, 1, 1, 1]);
}

const UNKNOWN_TO_QUERIES = {
  3: 'past_key',
  4: 'past_value',
  11: 'head_sink',
  12: 'k_scale',
  13: 'v_scale',
  14: 'q_norm_weight',
  15: 'k_norm_weight',
  16: 'query_seqlens',
};

/**
 * GroupQueryAttention of a first prompt, so without past: causal, with fewer heads of keys than of queries, and rotary
 * embedding. The lengths of the sequences play no part: a query sees no padding, which lies behind it.
 */
function expandGroupQueryAttention(draft: Draft): (Value | undefined)[] {
  draft.refuseInputs(UNKNOWN_TO_QUERIES);
  const { read } = draft;
  if (read.int('smooth_softmax', 0) > 0) throw draft.unsupported('smooth_softmax');
  const [queryCount, keyCount] = [read.int('num_heads', 1), read.int('kv_num_heads', 1)];
  const [query, key, value] = queriesKeysValues(draft, queryCount, keyCount);
  const turns = read.int('do_rotary', 0) !== 0;
  const heads: Heads = {
    query: split(draft, turns ? rotatedPrompt(draft, query, queryCount) : query, queryCount),
    key: split(draft, turns ? rotatedPrompt(draft, key, keyCount) : key, keyCount),
    value: split(draft, value, keyCount),
  };
  const { output } = attend(draft, heads, {
    scale: read.float('scale', 0),
    softcap: read.float('softcap', 0),
    bias: draft.inputs[10],
    hidden: outOfSight(draft, heads, {
      causal: read.int('causal', 1) !== 0,
      window: read.int('local_window_size', -1),
    }),
    shared: queryCount !== keyCount,
  });
  return [join(draft, output), heads.key, heads.value];
}

/** Queries, keys and values, which may all be in the query: `[B, S, (N + 2·K)·E]`. */
function queriesKeysValues(draft: Draft, queryCount: number, keyCount: number): [Value, Value, Value] {
  const [query, key, value] = draft.inputs as [Value, Value?, Value?];
  if (key && value) return [query, key, value];
  const all = draft.ints('heads', [queryCount + 2 * keyCount]);
  const width = draft.prepend('Div', [dimension(draft, query, -1), all]);
  const lengths = [queryCount, keyCount, keyCount].map((count) =>
    draft.prepend('Mul', [width, draft.ints('heads', [count])]),
  );
  return splitLast(draft, query, lengths) as [Value, Value, Value];
}

/** Positions count from that of the first token, or from 0. */
function rotatedPrompt(draft: Draft, x: Value, count: number): Value {
  const [, , , , , , , cos, sin, positions] = draft.inputs;
  if (!cos || !sin) throw draft.unsupported('do_rotary without caches');
  const places = arange(draft, dimension(draft, x, 1));
  const first =
    positions &&
    draft.prepend('Slice', [reshape(draft, positions, [-1]), draft.ints('start', [0]), draft.ints('end', [1])]);
  const rows = (cache: Value): Value => rowsAt(draft, cache, reshape(draft, draft.sum(places, first), [1, -1]));
  const interleaved = draft.read.int('rotary_interleaved', 0) !== 0;
  const width = draft.prepend('Mul', [dimension(draft, cos, -1), draft.ints('two', [2])]);
  return rotate(draft, x, { count, width: -1 }, { cos: rows(cos), sin: rows(sin), interleaved, width });
}

export const microsoft: Expansions = {
  Attention: expandAttention,
  MultiHeadAttention: expandMultiHeadAttention,
  GroupQueryAttention: expandGroupQueryAttention,
};
