/** Draws that are the same every time. */

/** Whole numbers below a bound. */
export type Draw = (bound: number) => number;

export function drawing(seed: number): Draw {
  let state = seed;
  return (bound) => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor(state / 2 ** 16) % bound;
  };
}
