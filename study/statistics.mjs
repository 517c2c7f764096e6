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

/**
 * How much of a grid of `period` pixels is in an error image `[C, H, W]`: the mean squared step from each pixel to the next, across
 * and down, as a function of the place within the period. Its variance is, by Parseval, the energy at the grid's frequency and all its
 * multiples; `share` is that over the square of the mean: 0 without a grid, period − 1 where the only steps are those from one
 * square to the next.
 *
 * @param {Image} image @param {number} period
 */
export function gridEnergy({ dims: [, height = 0, width = 0], data }, period) {
  const sums = new Float64Array(period);
  const counts = new Float64Array(period);
  /** @param {number} place @param {number} from @param {number} to */
  const count = (place, from, to) => {
    const phase = place % period;
    sums[phase] = (sums[phase] ?? 0) + ((data[to] ?? 0) - (data[from] ?? 0)) ** 2;
    counts[phase] = (counts[phase] ?? 0) + 1;
  };
  for (let i = 0; i < data.length; i += 1) {
    const [x, y] = [i % width, Math.floor(i / width) % height];
    if (x < width - 1) count(x, i, i + 1);
    if (y < height - 1) count(y, i, i + width);
  }
  const steps = Array.from(sums, (sum, phase) => sum / (counts[phase] ?? 1));
  const centre = mean(steps);
  const energy = mean(steps.map((step) => (step - centre) ** 2));
  return { energy, share: energy / centre ** 2 };
}
