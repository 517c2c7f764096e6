/** Scales, ticks and thinning of the page's charts. */
import { describe, expect, it } from 'vitest';
import {
  nearest,
  type Point,
  placeOf,
  scaleOf,
  shortNumber,
  smoothed,
  thinned,
  ticksOf,
  valueAt,
} from '../../studio/src/ui/chart-scale.js';

const line = (count: number, of: (x: number) => number): Point[] => Array.from({ length: count }, (_, x) => [x, of(x)]);

describe('a scale', () => {
  it.each([
    ['linear', [2, 4, 10], false, 4, 0.25],
    ['logarithmic', [0.01, 100, 1], true, 1, 0.5],
  ])('%s: gives a value its place, and back', (_, values, log, value, place) => {
    const scale = scaleOf(values, log);
    expect(placeOf(value, scale)).toBeCloseTo(place, 12);
    expect(valueAt(place, scale)).toBeCloseTo(value, 12);
  });

  it.each([
    ['one value', [3], false, { from: 2.5, to: 3.5, log: false }],
    ['one value, logarithmic', [4], true, { from: 2, to: 8, log: true }],
    ['no value', [], false, { from: 0, to: 1, log: false }],
    ['what is not finite', [Number.NaN, 1, 2, Number.POSITIVE_INFINITY], false, { from: 1, to: 2, log: false }],
  ])('of %s', (_, values, log, scale) => {
    expect(scaleOf(values, log)).toEqual(scale);
  });

  it.each([
    [{ from: 0, to: 10, log: false }, [0, 5, 10]],
    [{ from: 1, to: 150, log: false }, [50, 100, 150]],
    [{ from: 0.001, to: 1, log: true }, [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]],
    [{ from: 2, to: 40, log: true }, [2, 5, 10, 20]],
  ])('%o has round ticks', (scale, ticks) => {
    const found = ticksOf(scale, 3);
    expect(found).toHaveLength(ticks.length);
    for (const [i, tick] of ticks.entries()) expect(found[i]).toBeCloseTo(tick, 9);
  });
});

it.each([
  [0, '0'],
  [0.123456, '0.123'],
  [1234, '1230'],
  [0.00002, '2e-5'],
  [123456, '1.2e5'],
])('%d is short', (value, text) => {
  expect(shortNumber(value)).toBe(text);
});

it('thinning keeps the ends of every stretch, and few points as they are', () => {
  const spike = line(10_000, (x) => (x === 5003 ? 100 : 0));
  const few = thinned(spike, 600);
  expect(few.length).toBeLessThanOrEqual(602);
  expect(few).toContainEqual([5003, 100]);
  expect(few.map(([x]) => x)).toEqual(few.map(([x]) => x).toSorted((a, b) => a - b));
  expect(thinned(spike.slice(0, 5), 600)).toEqual(spike.slice(0, 5));
});

it('smoothing is the mean over a twentieth', () => {
  const means = smoothed(line(80, (x) => x % 2));
  expect(means[40]?.[1]).toBeCloseTo(2 / 5, 12);
  expect(smoothed(line(80, () => 7)).every(([, y]) => y === 7)).toBe(true);
  expect(smoothed(line(10, (x) => x))).toEqual(line(10, (x) => x));
});

it('finds the point at an x', () => {
  const points: Point[] = [
    [1, 10],
    [5, 50],
    [9, 90],
  ];
  expect([0, 3.1, 6, 20].map((x) => nearest(points, x)?.[0])).toEqual([1, 5, 5, 9]);
  expect(nearest([], 1)).toBeUndefined();
});
