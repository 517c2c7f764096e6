/**
 * Shape arithmetic for expansions. At import neither ranks nor dimensions are known; once the graph is specialised, all of
 * this has become constants.
 */
import { constantOf, int, type Value } from '../graph/index.js';
import type { Draft } from './draft.js';

/** A list of sizes: numbers, and values of shape `[n]`. */
export type Sizes = readonly (number | Value)[];

/** The size along an axis, `[1]`; negative axes count from the last one. */
export const dimension = (draft: Draft, x: Value, axis: number): Value =>
  draft.prepend('Shape', [x], { start: int(axis), ...(axis === -1 ? {} : { end: int(axis + 1) }) });

/** The number of dimensions, `[1]`. */
export const rankOf = (draft: Draft, x: Value): Value => draft.prepend('Shape', [draft.prepend('Shape', [x])]);

/** Sizes behind one another, `[n]`. */
export function sizes(draft: Draft, parts: Sizes): Value {
  const known = parts.filter((part) => typeof part === 'number');
  if (known.length === parts.length) return draft.ints('sizes', known);
  const values = parts.map((part) => (typeof part === 'number' ? draft.ints('size', [part]) : part));
  return draft.prepend('Concat', values, { axis: int(0) });
}

/** As ONNX's Reshape: −1 takes what is left, 0 keeps the size at its place. */
export const reshape = (draft: Draft, x: Value, shape: Sizes): Value =>
  draft.prepend('Reshape', [x, sizes(draft, shape)]);

/** 0, 1, … length−1 as int64 `[length]`; the length is of shape `[1]`. */
export function arange(draft: Draft, length: Value): Value {
  const whole = (value: number): Value => draft.constant('whole', constantOf('int64', [], [value]));
  return draft.prepend('Range', [whole(0), draft.prepend('Squeeze', [length]), whole(1)]);
}

/** x with dimensions of size 1 put in at `axes`, as many of them as x lacks to `rank`. */
export function unsqueezedTo(draft: Draft, x: Value, rank: number, axes: readonly number[]): Value {
  const missing = draft.prepend('Sub', [draft.ints('rank', [rank]), rankOf(draft, x)]);
  const inserted = draft.prepend('Slice', [draft.ints('axes', axes), draft.ints('start', [0]), missing]);
  return draft.prepend('Unsqueeze', [x, inserted]);
}

/** Parts of the given sizes along the last axis. */
export const splitLast = (draft: Draft, x: Value, lengths: Sizes): Value[] =>
  draft.prependAll('Split', [x, sizes(draft, lengths)], lengths.length, { axis: int(-1) });

/** Element types as ONNX numbers them. */
export const ElementType = { FLOAT: 1, INT64: 7, BOOL: 9 } as const;

export const cast = (draft: Draft, x: Value, to: keyof typeof ElementType): Value =>
  draft.prepend('Cast', [x], { to: int(ElementType[to]) });

const GIVES_BOOLEANS = new Set([
  ...['And', 'Or', 'Not', 'Xor', 'IsInf', 'IsNaN'],
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
]);

/** Whether a value is of booleans, from what computes it; `false` where that does not tell. */
export function isBoolean(value: Value): boolean {
  for (let at: Value | undefined = value; at !== undefined; ) {
    if (at.dtype !== undefined) return at.dtype === 'bool';
    const node: Value['producer'] = at.producer;
    if (node === undefined || node.op === 'If' || node.op === 'Loop') return false;
    if (GIVES_BOOLEANS.has(node.op)) return true;
    const { to, value: filler } = node.attributes;
    if (node.op === 'Cast') return to?.kind === 'int' && to.value === ElementType.BOOL;
    if (node.op === 'ConstantOfShape') return filler?.kind === 'tensor' && filler.value.dtype === 'bool';
    at = node.inputs[node.op === 'Where' || node.op === 'CastLike' ? 1 : 0];
  }
  return false;
}
