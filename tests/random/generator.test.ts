/** The seeded generator: named streams, their ranges and distributions, and that they stay what they are. */
import { describe, expect, it } from 'vitest';
import { Generator } from '../../src/random/index.js';

const COUNT = 20_000;
const drawn = (draw: () => number, count = COUNT): number[] => Array.from({ length: count }, draw);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const moment = (values: readonly number[], power: number): number => {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** power));
};
/** Covariance of two standardised series. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)];
  return mean(a.map((value, i) => (value - ma) * ((b[i] as number) - mb))) / Math.sqrt(moment(a, 2) * moment(b, 2));
}
const stream = (...names: number[]): number[] => {
  const generator = new Generator(...names);
  return drawn(() => generator.uniform(), 2000);
};

describe('names', () => {
  it('of one kind give the same numbers', () => {
    expect(stream(3, 1, 4)).toEqual(stream(3, 1, 4));
  });

  const pairs: [string, number[], number[]][] = [
    ['of another seed', [0], [1]],
    ['negative', [1], [-1]],
    ['in another order', [1, 2], [2, 1]],
    ['more of them', [1], [1, 0]],
    ['none', [], [0]],
    ['beyond 32 bits', [5], [5 + 2 ** 32]],
    ['beyond 32 bits, negative', [-5], [-5 - 2 ** 32]],
    ['next to each other at the end', [7, -1, 0, 3], [7, -1, 0, 4]],
    ['next to each other at the beginning', [7, -1, 0, 3], [8, -1, 0, 3]],
  ];
  it.each(pairs)('%s give independent ones', (_what, a, b) => {
    const [first, second] = [stream(...a), stream(...b)];
    expect(first).not.toEqual(second);
    // Five standard deviations of the correlation of 2000 independent pairs.
    expect(Math.abs(correlation(first, second))).toBeLessThan(5 / Math.sqrt(2000));
    expect(new Set([...first.slice(0, 100), ...second.slice(0, 100)]).size).toBeGreaterThan(198);
  });

  it('that follow each other have first numbers with nothing in common', () => {
    const firsts = drawn(() => 0, 2000).map((_, seed) => new Generator(seed).uniform());
    expect(Math.abs(mean(firsts) - 0.5)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(2000));
    expect(Math.abs(correlation(firsts.slice(0, -1), firsts.slice(1)))).toBeLessThan(5 / Math.sqrt(2000));
  });
});

it('gives the numbers it always gave: runs are repeated by them', () => {
  const generator = new Generator(42, 1);
  expect([generator.uniform(), generator.uniform(), generator.integer(1000)]).toEqual([
    0.4931337237358093, 0.6759849786758423, 132,
  ]);
  expect(generator.normal()).toBeCloseTo(0.8409773997291342, 12);
  expect(Array.from(generator.permutation(6))).toEqual([2, 1, 0, 5, 4, 3]);
});

describe('uniform', () => {
  const generator = new Generator(1);
  const values = drawn(() => generator.uniform());

  it('gives multiples of 2⁻²⁴ in [0, 1) that float32 holds', () => {
    for (const value of values) {
      expect(value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24) && Math.fround(value) === value).toBe(true);
    }
    expect(values.some((value) => !Number.isInteger(value * 2 ** 23))).toBe(true);
  });

  it('has the moments of a uniform number, and no memory', () => {
    expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / COUNT));
    expect(Math.abs(moment(values, 2) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / COUNT));
    for (const lag of [1, 2, 3, 12]) {
      const apart = correlation(values.slice(0, -lag), values.slice(lag));
      expect(Math.abs(apart)).toBeLessThan(5 / Math.sqrt(COUNT));
    }
    const tenths = Array.from({ length: 10 }, (_, i) => values.filter((value) => Math.floor(value * 10) === i).length);
    for (const count of tenths) expect(Math.abs(count - COUNT / 10)).toBeLessThan(5 * Math.sqrt(COUNT * 0.09));
  });
});

describe('normal', () => {
  const generator = new Generator(2);
  const values = drawn(() => generator.normal());

  it('is finite, with mean 0, variance 1, skewness 0 and kurtosis 3', () => {
    expect(values.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean(values))).toBeLessThan(5 / Math.sqrt(COUNT));
    expect(Math.abs(moment(values, 2) - 1)).toBeLessThan(5 * Math.sqrt(2 / COUNT));
    expect(Math.abs(moment(values, 3))).toBeLessThan(5 * Math.sqrt(15 / COUNT));
    expect(Math.abs(moment(values, 4) - 3)).toBeLessThan(5 * Math.sqrt(96 / COUNT));
  });

  it('lies within one deviation 68 times in a hundred, beyond three 27 in ten thousand', () => {
    const share = (limit: number): number => values.filter((value) => Math.abs(value) < limit).length / COUNT;
    expect(share(1)).toBeCloseTo(0.6827, 1);
    expect(Math.abs(share(3) - 0.9973)).toBeLessThan(0.002);
  });
});

describe('integer and permutation', () => {
  it('gives every integer below the end, equally often', () => {
    const generator = new Generator(3);
    const counts = new Map<number, number>();
    for (const value of drawn(() => generator.integer(7))) counts.set(value, (counts.get(value) ?? 0) + 1);
    expect([...counts.keys()].toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const count of counts.values())
      expect(Math.abs(count - COUNT / 7)).toBeLessThan(5 * Math.sqrt(COUNT * 0.1225));
    expect(drawn(() => generator.integer(1), 10)).toEqual(new Array(10).fill(0));
  });

  it('orders n things in all n! ways, equally often', () => {
    const generator = new Generator(4);
    const counts = new Map<string, number>();
    for (const order of Array.from({ length: 6000 }, () => generator.permutation(3).join('')))
      counts.set(order, (counts.get(order) ?? 0) + 1);
    expect([...counts.keys()].toSorted()).toEqual(['012', '021', '102', '120', '201', '210']);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(6000 * (5 / 36)));
    expect(Array.from(generator.permutation(1))).toEqual([0]);
    expect(generator.permutation(0)).toHaveLength(0);
  });
});
