/** What all attention operators are spelled out with: softmax(scale·q·kᵀ + bias)·v, and what hides keys. */
import { int, ints, type Value } from '../graph/index.js';
import type { Draft } from './draft.js';
import { arange, cast, dimension, reshape } from './shapes.js';

/** What attention computes with: `[B, N, S, E]`, `[B, K, T, E]`, `[B, K, T, V]`; N is a multiple of K. */
export interface Heads {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

/** How the scores are made. */
export interface Scoring {
  /** 0 stands for 1/√E. */
  readonly scale: number;
  /** c·tanh(scores/c), where c is not 0. */
  readonly softcap?: number;
  /** Added to the scores, broadcast to `[B, N, S, T]`. */
  readonly bias?: Value | undefined;
  /** True where a query does not see a key, broadcast likewise. */
  readonly hidden?: Value | undefined;
  /** There may be fewer heads of keys than of queries. */
  readonly shared?: boolean;
}

/** The scores as they become weights `[B, N, S, T]`, and the output `[B, N, S, V]`. */
export interface Attended {
  readonly scores: Value;
  readonly capped: Value;
  readonly biased: Value;
  readonly weights: Value;
  readonly output: Value;
}

/** The lowest float32. Minus infinity would give NaN where nothing is seen at all. */
const LOWEST = -3.4028234663852886e38;

/** softmax(scale·q·kᵀ + bias)·v */
export function attend(draft: Draft, { query, key, value }: Heads, scoring: Scoring): Attended {
  const { softcap = 0, bias, hidden, shared = false } = scoring;
  const turned = draft.prepend('Transpose', [key], { perm: ints([0, 1, 3, 2]) });
  const scores = product(draft, scaled(draft, query, scoring.scale), turned, shared);
  const capped = softcap === 0 ? scores : cappedAt(draft, scores, softcap);
  // Masks are constants nearly always: they are added up before they meet the scores, which are large.
  const masks = [bias, hidden && penalty(draft, hidden)].filter((mask) => mask !== undefined);
  const [mask, ...others] = masks;
  const biased = mask ? draft.sum(capped, draft.sum(mask, ...others)) : capped;
  const weights = draft.prepend('Softmax', [biased], { axis: int(-1) });
  return { scores, capped, biased, weights, output: product(draft, weights, value, shared) };
}

function scaled(draft: Draft, query: Value, scale: number): Value {
  if (scale !== 0) return draft.prepend('Mul', [query, draft.scalar('scale', scale)]);
  const root = draft.prepend('Sqrt', [cast(draft, dimension(draft, query, -1), 'FLOAT')]);
  return draft.prepend('Div', [query, root]);
}

function cappedAt(draft: Draft, scores: Value, softcap: number): Value {
  const cap = draft.scalar('softcap', softcap);
  return draft.prepend('Mul', [draft.prepend('Tanh', [draft.prepend('Div', [scores, cap])]), cap]);
}

/**
 * a·b for `[B, N, S, I]` and `[B, K, I, J]`, each head of b taken for N/K heads of a, one after another: those heads become
 * rows, so that nothing is repeated.
 */
function product(draft: Draft, a: Value, b: Value, shared: boolean): Value {
  if (!shared) return draft.prepend('MatMul', [a, b]);
  const rows = reshape(draft, a, [0, dimension(draft, b, 1), -1, dimension(draft, b, 2)]);
  const heads = draft.prepend('Shape', [a], { start: int(1), end: int(3) });
  return reshape(draft, draft.prepend('MatMul', [rows, b]), [0, heads, -1]);
}

/** The lowest number where a key is hidden, 0 elsewhere. */
const penalty = (draft: Draft, hidden: Value): Value =>
  draft.prepend('Where', [hidden, draft.scalar('lowest', LOWEST), draft.scalar('zero', 0)]);

/** True where any of the conditions that are given is. */
export function either(draft: Draft, ...conditions: readonly (Value | undefined)[]): Value | undefined {
  const [first, ...others] = conditions.filter((condition) => condition !== undefined);
  return first && others.reduce((all, condition) => draft.prepend('Or', [all, condition]), first);
}

/** Where keys come after their query, or `window` places or more before it, as far as that is asked for. */
export interface Horizon {
  readonly causal: boolean;
  readonly window?: number;
  /** How many keys precede the first query, `[1]` or `[B, 1, 1, 1]`; none if left out. */
  readonly offset?: Value | undefined;
}

/** The keys that a horizon hides, `[S, T]` or `[B, 1, S, T]`. */
export function outOfSight(
  draft: Draft,
  { query, key }: Heads,
  { causal, window = -1, offset }: Horizon,
): Value | undefined {
  if (!causal && window < 0) return undefined;
  const places = reshape(draft, arange(draft, dimension(draft, query, 2)), [-1, 1]);
  const rows = draft.sum(places, offset);
  const columns = arange(draft, dimension(draft, key, 2));
  const oldest = (): Value => draft.prepend('Sub', [rows, draft.ints('window', [window])]);
  return either(
    draft,
    causal ? draft.prepend('Less', [rows, columns]) : undefined,
    window < 0 ? undefined : draft.prepend('LessOrEqual', [columns, oldest()]),
  );
}

/** Earlier keys or values before these, along the tokens. */
export const continued = (draft: Draft, past: Value | undefined, now: Value): Value =>
  past ? draft.prepend('Concat', [past, now], { axis: int(2) }) : now;
