/** The study's own arithmetic. */

/** @typedef {import('../dist/data/index.js').ImageTensor} Image */

/** @param {readonly number[]} values */
export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard deviation over all values but one degree of freedom; 0 for one value. @param {readonly number[]} values */
export function spread(values) {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** Places in ascending order, from 1; equal values share the mean of theirs. @param {readonly number[]} values */
function ranks(values) {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}

/**
 * Spearman's rank correlation: Pearson's correlation of the ranks, from −1 to 1; NaN where all values of one side are equal.
 *
 * @param {readonly number[]} x @param {readonly number[]} y
 */
export function rankCorrelation(x, y) {
  const [a, b] = [ranks(x), ranks(y)];
  const [meanA, meanB] = [mean(a), mean(b)];
  const product = mean(a.map((rank, i) => (rank - meanA) * ((b[i] ?? 0) - meanB)));
  const [squaresA, squaresB] = [mean(a.map((rank) => (rank - meanA) ** 2)), mean(b.map((rank) => (rank - meanB) ** 2))];
  return product / Math.sqrt(squaresA * squaresB);
}

/** @param {readonly number[]} values @param {number} frequency cycles per value */
function power(values, frequency) {
  let [re, im] = [0, 0];
  for (const [i, value] of values.entries()) {
    re += value * Math.cos(2 * Math.PI * frequency * i);
    im += value * Math.sin(2 * Math.PI * frequency * i);
  }
  return re ** 2 + im ** 2;
}

/**
 * How much of a grid of `period` pixels is in an error image `[C, H, W]`, its sides multiples of the period: the mean squared
 * step from each column to the next, and from each row to the next, as functions of the place; their mean power at
 * the grid's frequency and its multiples, over that at all other frequencies. About 1 without a grid.
 *
 * @param {Image} image @param {number} period
 */
export function gridEnergy({ dims: [channels = 0, height = 0, width = 0], data }, period) {
  /** @param {number} length @param {number} lines @param {(place: number, line: number) => number} index */
  const profile = (length, lines, index) =>
    Array.from({ length }, (_, place) => {
      let sum = 0;
      // The last step leads back to the beginning, where there is none.
      if (place === length - 1) return 0;
      for (let line = 0; line < lines; line += 1) {
        sum += ((data[index(place + 1, line)] ?? 0) - (data[index(place, line)] ?? 0)) ** 2;
      }
      return sum / lines;
    });
  const columns = profile(width, channels * height, (x, line) => line * width + x);
  const rows = profile(height, channels * width, (y, line) => {
    const channel = Math.floor(line / width);
    return (channel * height + y) * width + (line % width);
  });
  /** @type {[number[], number[]]} */
  const [onGrid, off] = [[], []];
  for (const steps of [columns, rows]) {
    // What is missing at the end is no step of the grid.
    steps[steps.length - 1] = mean(steps.slice(0, -1));
    const cells = steps.length / period;
    for (let k = 1; k <= Math.floor(steps.length / 2); k += 1) {
      (k % cells === 0 ? onGrid : off).push(power(steps, k / steps.length));
    }
  }
  return mean(onGrid) / mean(off);
}
