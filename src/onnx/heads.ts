/** Heads of attention: `[B, L, N·E]` apart into `[B, N, L, E]`, and together again. */
import { int, ints, type Value } from '../graph/index.js';
import type { Draft } from './draft.js';
import { dimension, rankOf, reshape } from './shapes.js';

/** `[B, L, N·E]` → `[B, N, L, E]` */
export const split = (draft: Draft, x: Value, count: number): Value =>
  swapped(draft, reshape(draft, x, [0, 0, count, -1]));

/** `[B, N, L, E]` → `[B, L, N·E]` */
export const join = (draft: Draft, x: Value): Value => reshape(draft, swapped(draft, x), [0, 0, -1]);

const swapped = (draft: Draft, x: Value): Value => draft.prepend('Transpose', [x], { perm: ints([0, 2, 1, 3]) });

/** `[B, L, N·E]` or `[B, N, L, E]` → `[B, N, L, E]` */
export function splitEither(draft: Draft, x: Value, count: number): Value {
  const rows = draft.prepend('Transpose', [grouped(draft, x, { count, width: -1 })], { perm: SWAP_GROUPS });
  return reshape(draft, rows, [0, count, dimension(draft, x, -2), -1]);
}

/** `[B, N, S, V]` → `[B, S, N·V]` or `[B, N, S, V]`: as many dimensions as the queries had before they were split. */
export function joinLike(draft: Draft, x: Value, query: Value, count: number): Value {
  const { outer, inner } = headAxes(draft, query, count);
  const rows = reshape(draft, x, [0, outer, inner, dimension(draft, x, 2), -1]);
  const before = draft.prepend('Shape', [query], { end: int(-1) });
  return reshape(draft, draft.prepend('Transpose', [rows], { perm: SWAP_GROUPS }), [before, -1]);
}

const SWAP_GROUPS = ints([0, 1, 3, 2, 4]);

/** How a tensor falls into heads: their number or their width, the other one −1. */
export interface HeadSizes {
  readonly count: number | Value;
  readonly width: number | Value;
}

/**
 * Brings `[B, L, N·E]` to `[B, 1, L, N, E]`, and `[B, N, L, E]` to `[B, N, L, 1, E]`: one rank for both. Which of them x is
 * shows once shapes are known.
 */
export function grouped(draft: Draft, x: Value, { count, width }: HeadSizes): Value {
  const { outer, inner } = headAxes(draft, x, count);
  return reshape(draft, x, [dimension(draft, x, 0), outer, dimension(draft, x, -2), inner, width]);
}

/** Sizes of the axes that `grouped` puts the heads on: the outer one for rank 4, the inner one for rank 3. */
export function headAxes(draft: Draft, x: Value, count: number | Value): { outer: Value; inner: Value } {
  const isSplit = draft.prepend('Equal', [rankOf(draft, x), draft.ints('rank', [4])]);
  const heads = typeof count === 'number' ? draft.ints('heads', [count]) : count;
  const one = draft.ints('one', [1]);
  return { outer: draft.prepend('Where', [isSplit, heads, one]), inner: draft.prepend('Where', [isSplit, one, heads]) };
}
