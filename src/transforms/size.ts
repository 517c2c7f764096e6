/** Sizes of images. */
import { GlobalPercError } from '../graph/index.js';

/** One size for both sides, or [height, width], in pixels. */
export type Size = number | readonly [number, number];

/** [height, width]. @throws GlobalPercError when the size is not one or two positive integers. */
export function sizeOfSides(size: Size, name: string): readonly [number, number] {
  const sides = typeof size === 'number' ? ([size, size] as const) : size;
  if (Array.isArray(sides) && sides.length === 2 && sides.every((side) => Number.isInteger(side) && side > 0)) {
    return sides as readonly [number, number];
  }
  throw new GlobalPercError(
    `${name}: size should be a positive integer or [height, width], got ${JSON.stringify(size)}`,
  );
}

/** Rounds to the nearest integer, halves to the even one, as Python does. */
export const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
};
