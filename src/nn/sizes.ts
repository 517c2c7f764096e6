/** What layers are given: sizes per axis, and inputs of a certain shape. */
import { GlobalPercError, type Shape, type Tensor } from '../graph/index.js';
import { type Check, number, refused } from '../options/index.js';

/** One number for all spatial axes, or one per axis. */
export type PerAxis = number | readonly number[];

/** One integer for all axes, or one per axis, from `least` on; given back as one per axis. */
export const perAxis =
  (axes: number, least = 1): Check<readonly number[]> =>
  (value, where) => {
    const values = typeof value === 'number' ? Array.from({ length: axes }, () => value) : value;
    const fits = Array.isArray(values) && values.length === axes;
    if (fits && values.every((size) => Number.isInteger(size) && size >= least)) return [...values];
    const wanted = least === Number.NEGATIVE_INFINITY ? 'an integer' : `an integer from ${least} on`;
    throw refused(where, axes === 1 ? wanted : `${wanted}, or ${axes} of them`, value);
  };

/** Size of the spatial axes of an adaptive pool's output, for all or one per axis; null keeps the input's. */
export type AdaptiveSize = number | null | readonly (number | null)[];

/** One size per axis or one for all, from 1 on; null keeps the input's. */
export const sizesOrNull =
  (axes: number): Check<readonly (number | null)[]> =>
  (value, where) => {
    const values = Array.isArray(value) ? value : Array.from({ length: axes }, () => value);
    const fits =
      values.length === axes && values.every((size) => size === null || (Number.isInteger(size) && size > 0));
    if (fits) return [...values];
    throw refused(where, `an integer from 1 on or null${axes === 1 ? '' : `, or ${axes} of them`}`, value);
  };

/** What passes the check, or null. */
export const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value, where) =>
    value === null ? null : check(value, where);

export const probability: Check<number> = number({ least: 0, most: 1 });

/** @throws GlobalPercError unless `parts` divides each count. @param what the counts in words, e.g. `4 channels`. */
export function requireDivisor(where: string, parts: number, name: string, what: string, ...counts: number[]): void {
  if (counts.every((count) => count % parts === 0)) return;
  throw new GlobalPercError(`${where}: ${parts} ${name} do not divide ${what}`, { code: 'invalid-option' });
}

/** A shape in words: numbers must agree, names stand for any size, `…` for any number of axes. */
type ShapePattern = readonly (number | string)[];

const ANY = '…';

const SPATIAL: readonly (readonly string[])[] = [[], ['L'], ['H', 'W'], ['D', 'H', 'W']];

/** `[B, channels, …]` with 0 to 3 spatial axes. */
export const imagePattern = (axes: number, channels: number | string = 'C'): ShapePattern => [
  'B',
  channels,
  ...(SPATIAL[axes] as readonly string[]),
];

/** @throws GlobalPercError naming the layer and the shapes when x has none of them. */
export function requireShape(className: string, x: Tensor, ...patterns: readonly ShapePattern[]): void {
  if (patterns.some((pattern) => fits(x.shape, pattern))) return;
  const wanted = patterns.map((pattern) => `[${pattern.join(', ')}]`).join(' or ');
  throw new GlobalPercError(`${className} takes an input of shape ${wanted}, got [${x.shape.join(', ')}]`, {
    code: 'invalid-argument',
  });
}

function fits(shape: Shape, pattern: ShapePattern): boolean {
  const open = pattern.indexOf(ANY);
  if (open < 0) return shape.length === pattern.length && agree(shape, pattern);
  const [first, last] = [pattern.slice(0, open), pattern.slice(open + 1)];
  const enough = shape.length >= first.length + last.length;
  return enough && agree(shape, first) && agree(shape.slice(shape.length - last.length), last);
}

const agree = (shape: Shape, pattern: ShapePattern): boolean =>
  pattern.every((size, i) => typeof size === 'string' || size === shape[i]);

/** @throws GlobalPercError naming the nearest sizes when a spatial side of `[B, C, …]` is no multiple of `step`. */
export function requireMultiples(className: string, x: Tensor, step: number): void {
  const sides = x.shape.slice(2);
  if (sides.every((side) => side > 0 && side % step === 0)) return;
  const nearest = sides.map((side) => Math.max(step, Math.round(side / step) * step));
  throw new GlobalPercError(
    `${className}: sides should be multiples of ${step}, got [${x.shape}]; the nearest are ${nearest.join(' × ')}`,
    { code: 'invalid-argument' },
  );
}

/** A row by its number, negative ones counted from the end. @throws GlobalPercError when there is no such row. */
export function rowOf(where: string, index: number, rows: number): number {
  const row = index < 0 ? index + rows : index;
  if (Number.isInteger(row) && row >= 0 && row < rows) return row;
  throw new GlobalPercError(`${where} ${index} is none of ${rows} rows`, { code: 'invalid-option' });
}

/**
 * A reshape that copies the first `kept` dimensions, whatever they are: a file that is exported then takes any batch. The
 * rest is sizes, one of which may be −1. Gives x itself when that has the shape already.
 */
export function reshapeBehind(x: Tensor, kept: number, rest: Shape): Tensor {
  const own = x.shape.slice(kept);
  if (own.length === rest.length && rest.every((size, i) => size === -1 || size === own[i])) return x;
  return x.graph.emit('Reshape', [x, x.graph.ints([...new Array<number>(kept).fill(0), ...rest])])[0] as Tensor;
}
