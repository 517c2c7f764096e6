/** Rotary position embedding (https://arxiv.org/abs/2104.09864) in both of its operators. */
import { int, type Value } from '../../graph/index.js';
import type { Draft, Expansions } from '../draft.js';
import { grouped, type HeadSizes } from '../heads.js';
import { arange, cast, dimension, reshape, type Sizes } from '../shapes.js';

/** Cosines and sines by position. */
export interface Rotation {
  /** One row per position, `[L, E/2]` or `[B, L, E/2]`. */
  readonly cos: Value;
  readonly sin: Value;
  /** Pairs are neighbours, instead of one element from each half. */
  readonly interleaved: boolean;
  /** How many elements of a head turn, from the first; all where it is left out. */
  readonly width?: Value | undefined;
}

/** Pairs (a, b) of x, `[B, L, N·E]` or `[B, N, L, E]`, become (a·cos − b·sin, a·sin + b·cos); the same shape. */
export function rotate(draft: Draft, x: Value, heads: HeadSizes, rotation: Rotation): Value {
  const all = grouped(draft, x, heads);
  const shape = draft.prepend('Shape', [x]);
  if (rotation.width === undefined) return draft.prepend('Reshape', [turned(draft, all, rotation), shape]);
  const [first, axis] = [draft.ints('start', [0]), draft.ints('axis', [-1])];
  const end = draft.ints('end', [Number.MAX_SAFE_INTEGER]);
  const turning = draft.prepend('Slice', [all, first, rotation.width, axis]);
  const staying = draft.prepend('Slice', [all, rotation.width, end, axis]);
  const parts = [turned(draft, turning, rotation), staying];
  return draft.prepend('Reshape', [draft.prepend('Concat', parts, { axis: int(-1) }), shape]);
}

function turned(draft: Draft, x: Value, { cos, sin, interleaved }: Rotation): Value {
  const pairs = interleaved ? reshape(draft, x, [0, 0, 0, 0, -1, 2]) : x;
  const factor = (rows: Value): Value => {
    const pairAxis: Sizes = interleaved ? [1] : [];
    return reshape(draft, rows, [-1, 1, dimension(draft, rows, -2), 1, dimension(draft, rows, -1), ...pairAxis]);
  };
  const [c, s] = [factor(cos), factor(sin)];
  const [a, b] = draft.prependAll('Split', [pairs], 2, { axis: int(-1), num_outputs: int(2) }) as [Value, Value];
  const times = (left: Value, right: Value): Value => draft.prepend('Mul', [left, right]);
  const real = draft.prepend('Sub', [times(a, c), times(b, s)]);
  const imaginary = draft.prepend('Add', [times(a, s), times(b, c)]);
  const both = draft.prepend('Concat', [real, imaginary], { axis: int(-1) });
  return interleaved ? reshape(draft, both, [0, 0, 0, 0, -1]) : both;
}

/** Rows of a cache `[positions, E/2]`. */
export const rowsAt = (draft: Draft, cache: Value, positions: Value): Value =>
  draft.prepend('Gather', [cache, positions], { axis: int(0) });

/** Positions as given, `[B, L]`; a single one is that of the first token. */
function positionsOf(draft: Draft, given: Value, length: Value): Value {
  const count = reshape(draft, draft.prepend('Size', [given]), [1]);
  const single = cast(draft, draft.prepend('Equal', [count, draft.ints('one', [1])]), 'INT64');
  return draft.prepend('Add', [given, draft.prepend('Mul', [arange(draft, length), single])]);
}

/** What both operators read from their attributes; heads are as wide as the rotation where all of them turns. */
function rotated(draft: Draft, cache: Value, rows: Pick<Rotation, 'cos' | 'sin'>): Value {
  const [x] = draft.inputs as [Value];
  const width = draft.read.int('rotary_embedding_dim', 0);
  const count = draft.read.int('num_heads', 0);
  const two = draft.ints('two', [2]);
  const headWidth =
    width === 0 ? draft.prepend('Mul', [dimension(draft, cache, -1), two]) : count > 0 ? -1 : dimension(draft, x, -1);
  const heads: HeadSizes = { count: headWidth === -1 ? count : -1, width: headWidth };
  const interleaved = draft.read.int('interleaved', 0) !== 0;
  return rotate(draft, x, heads, { ...rows, interleaved, width: width > 0 ? draft.ints('width', [width]) : undefined });
}

/** com.microsoft.RotaryEmbedding; its attribute `scale` is read by no kernel. */
function expandRotaryEmbedding(draft: Draft): Value[] {
  if (draft.read.int('is_packed_batching', 0)) throw draft.unsupported('is_packed_batching');
  const [x, given, cos, sin] = draft.inputs as [Value, Value, Value, Value];
  const positions = positionsOf(draft, given, dimension(draft, x, -2));
  return [rotated(draft, cos, { cos: rowsAt(draft, cos, positions), sin: rowsAt(draft, sin, positions) })];
}

/** RotaryEmbedding of operator set 23: without positions, the caches hold one row per token. */
function expandStandardRotaryEmbedding(draft: Draft): Value[] {
  const [, cos, sin, positions] = draft.inputs as [Value, Value, Value, Value?];
  const rows = (cache: Value): Value => (positions ? rowsAt(draft, cache, positions) : cache);
  return [rotated(draft, cos, { cos: rows(cos), sin: rows(sin) })];
}

export const microsoft: Expansions = { RotaryEmbedding: expandRotaryEmbedding };
export const standard = { RotaryEmbedding: expandStandardRotaryEmbedding };
