import { describe, expect, it } from 'vitest';
import { gridEnergy, mean, rankCorrelation, spread } from '../../study/statistics.mjs';

describe('the rank correlation', () => {
  it.each([
    ['that ascends together', [1, 20, 300], [0.1, 0.2, 0.9], 1],
    ['that goes against each other', [1, 2, 3], [9, 8, -7], -1],
    // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])
    ['with a tie', [1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233],
    ['of one constant side', [1, 2, 3], [4, 4, 4], Number.NaN],
  ])('of values %s', (_, x, y, expected) => {
    if (Number.isNaN(expected)) expect(rankCorrelation(x, y)).toBeNaN();
    else expect(rankCorrelation(x, y)).toBeCloseTo(expected, 12);
  });
});

it('mean and spread are those of a sample', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(spread([1, 2, 6])).toBeCloseTo(Math.sqrt(7), 12);
  expect(spread([5])).toBe(0);
});

describe('the energy of a grid', () => {
  const side = 84;
  const error = (value: (y: number, x: number) => number) => ({
    dims: [1, side, side],
    data: Float32Array.from({ length: side ** 2 }, (_, i) => value(Math.floor(i / side), i % side)),
  });
  /** Numbers without a pattern, in [0, 1). */
  const scattered = (i: number): number => (Math.sin(i * 12.9898) * 43758.5453) % 1;

  it('is 0 where all steps are alike, and next to it for an error without a grid', () => {
    const ramp = error((y, x) => 3 * x - 2 * y);
    expect(gridEnergy(ramp, 14).share).toBeLessThan(1e-12);
    expect(
      gridEnergy(
        error((y, x) => scattered(y * side + x)),
        14,
      ).share,
    ).toBeLessThan(0.01);
  });

  it('is all there is where each square has a value of its own', () => {
    const squares = (size: number) => error((y, x) => size * scattered(Math.floor(y / 14) * 6 + Math.floor(x / 14)));
    const [once, twice] = [gridEnergy(squares(1), 14), gridEnergy(squares(2), 14)];
    expect(once.share).toBeCloseTo(13, 10);
    expect(twice.share).toBeCloseTo(13, 10);
    expect(twice.energy / once.energy).toBeCloseTo(16, 6);
  });
});
