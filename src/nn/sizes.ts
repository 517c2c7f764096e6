/** What layers are given: sizes per axis, and inputs of a certain shape. */
import { GlobalPercError, type Shape, type Tensor } from '../graph/index.js';

/** One number for all spatial axes, or one per axis. */
export type PerAxis = number | readonly number[];

/** @throws GlobalPercError unless there is one integer, or one per axis, all of at least `least`. */
export function perAxis(value: PerAxis, axes: number, what: string, least = 1): readonly number[] {
  const values = typeof value === 'number' ? Array.from({ length: axes }, () => value) : value;
  if (values.length === axes && values.every((size) => Number.isInteger(size) && size >= least)) return values;
  const wanted = axes === 1 ? 'an integer' : `an integer or ${axes} of them`;
  throw new GlobalPercError(`${what} should be ${wanted}, not below ${least}, got ${JSON.stringify(value)}`);
}

/** @throws GlobalPercError unless the number is an integer of at least 1. */
export const requireCount = (value: number, what: string): number => perAxis(value, 1, what)[0] as number;

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
  throw new GlobalPercError(`${className} takes an input of shape ${wanted}, got [${x.shape.join(', ')}]`);
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
  );
}
