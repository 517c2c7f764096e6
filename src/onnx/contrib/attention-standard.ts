/** The standard Attention of operator sets 23 and 24 (https://onnx.ai/onnx/operators/onnx__Attention.html), spelled out. */
import { int, type Value } from '../../graph/index.js';
import { type Attended, attend, continued, either, type Heads, outOfSight } from '../attention.js';
import type { Draft } from '../draft.js';
import { joinLike, splitEither } from '../heads.js';
import { arange, cast, dimension, isBoolean, reshape } from '../shapes.js';

/** On `[B, N, L, E]` or, with the numbers of heads, `[B, L, N·E]`. */
function expandAttention(draft: Draft): (Value | undefined)[] {
  const { read } = draft;
  for (const name of ['left_window_size', 'right_window_size'])
    if (read.int(name, -1) >= 0) throw draft.unsupported(name);
  const [query, , , given, , , lengths] = draft.inputs as [Value, Value, Value, Value?, Value?, Value?, Value?];
  const counts = [read.int('q_num_heads', 0), read.int('kv_num_heads', 0)] as const;
  const heads = headsOf(draft, counts);
  const padding = lengths && paddingOf(draft, lengths, heads);
  const mask = given && maskOf(draft, given);
  const offset = offsetOf(draft, heads);
  const hidden = either(
    draft,
    mask?.hidden,
    padding,
    outOfSight(draft, heads, { causal: read.int('is_causal', 0) !== 0, offset }),
  );
  const attended = attend(draft, heads, {
    scale: read.float('scale', 0),
    softcap: read.float('softcap', 0),
    bias: mask?.bias,
    hidden,
    shared: counts[0] === 0 || counts[0] !== counts[1],
  });
  // Only a mask can hide all keys from a query.
  const guarded = (x: Value): Value => (hidden && (given ?? padding) ? blank(draft, x, hidden) : x);
  const output = guarded(attended.output);
  return [
    counts[0] > 0 ? joinLike(draft, output, query, counts[0]) : output,
    heads.key,
    heads.value,
    draft.outputs[3] && stage(draft, attended, guarded),
  ];
}

function headsOf(draft: Draft, [queryCount, keyCount]: readonly [number, number]): Heads {
  const [query, key, value, , pastKey, pastValue] = draft.inputs as [Value, Value, Value, Value?, Value?, Value?];
  const parted = (x: Value, count: number): Value => (count > 0 ? splitEither(draft, x, count) : x);
  return {
    query: parted(query, queryCount),
    key: continued(draft, pastKey, parted(key, keyCount)),
    value: continued(draft, pastValue, parted(value, keyCount)),
  };
}

/** How many keys precede the first query: those of the past; or, where each sequence has its length, those before its end. */
function offsetOf(draft: Draft, { query }: Heads): Value | undefined {
  const [, , , , pastKey, , lengths] = draft.inputs;
  if (pastKey) return dimension(draft, pastKey, 2);
  if (lengths === undefined) return undefined;
  return draft.prepend('Sub', [reshape(draft, lengths, [-1, 1, 1, 1]), dimension(draft, query, 2)]);
}

/** The keys behind the end of their sequence, `[B, 1, 1, T]`. */
function paddingOf(draft: Draft, lengths: Value, { key }: Heads): Value {
  const ends = reshape(draft, lengths, [-1, 1, 1, 1]);
  return draft.prepend('LessOrEqual', [ends, arange(draft, dimension(draft, key, 2))]);
}

/** A mask of booleans says what is seen; one of numbers is added, and hides where it is −∞. */
function maskOf(draft: Draft, given: Value): { hidden: Value; bias?: Value } {
  if (isBoolean(given)) return { hidden: draft.prepend('Not', [given]) };
  const hidden = draft.prepend('IsInf', [given], { detect_positive: int(0) });
  return { hidden, bias: draft.prepend('Where', [hidden, draft.scalar('zero', 0), given]) };
}

/** Zeros for the queries from which every key is hidden. */
function blank(draft: Draft, x: Value, hidden: Value): Value {
  const seen = cast(draft, draft.prepend('Not', [hidden]), 'FLOAT');
  const any = draft.prepend('ReduceMax', [seen, draft.ints('axes', [-1])]);
  return draft.prepend('Mul', [x, any]);
}

/** What `qk_matmul_output_mode` asks for. */
function stage(draft: Draft, { scores, capped, biased, weights }: Attended, guarded: (x: Value) => Value): Value {
  const mode = draft.read.int('qk_matmul_output_mode', 0);
  return [scores, capped, biased][mode] ?? guarded(weights);
}

export const standard = { Attention: expandAttention };
