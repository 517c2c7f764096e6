/** Sizes of images. */
import { type Check, refused } from '../options/index.js';

/** One size for both sides, or [height, width], in pixels. */
export type Size = number | readonly [number, number];

/** [height, width]. @throws GlobalPercError when the size is not one or two positive integers. */
export function sizeOfSides(size: Size, where: string): readonly [number, number] {
  const sides = requireSize(size, `${where}: size`);
  return typeof sides === 'number' ? [sides, sides] : sides;
}

/** Checks a size. */
export const requireSize: Check<Size> = (value, where) => {
  const sides = Array.isArray(value) ? Array.from(value) : [value, value];
  if (sides.length === 2 && sides.every((side) => Number.isSafeInteger(side) && side > 0)) return value as Size;
  throw refused(where, 'a positive integer or [height, width]', value);
};

/** Rounds to the nearest integer, halves to the even one, as Python does. */
export const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
};
