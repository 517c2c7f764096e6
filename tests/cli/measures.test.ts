/** Measures of likeness: what they are for equal, noisy and blurred pictures. */
import { describe, expect, it } from 'vitest';
import { gmsd, psnr } from '../../src/cli/measures.js';
import { Generator } from '../../src/random/index.js';

const SIDE = 32;
const picture = (value: (x: number, y: number, channel: number) => number) => ({
  dims: [3, SIDE, SIDE],
  data: Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) =>
    value(i % SIDE, Math.floor(i / SIDE) % SIDE, Math.floor(i / SIDE ** 2)),
  ),
});
const edge = picture((x) => (x < 15 ? 0.2 : 0.8));

describe('psnr', () => {
  it('is −10·log₁₀ of the mean squared error', () => {
    const lighter = picture((x) => (x < 15 ? 0.3 : 0.9));
    expect(psnr(lighter, edge)).toBeCloseTo(20, 4);
  });
});

describe('gmsd', () => {
  it('is 0 for equal pictures, and for one that is only lighter', () => {
    expect(gmsd(edge, edge)).toBe(0);
    expect(
      gmsd(
        picture((x) => (x < 15 ? 0.25 : 0.85)),
        edge,
      ),
    ).toBeCloseTo(0, 5);
  });

  it('follows the formula for an edge that has lost half of its contrast', () => {
    // At half size the edge lies inside one column: the gradient is a quarter on either side and half in between.
    const weaker = picture((x) => (x < 15 ? 0.35 : 0.65));
    const c = 170 / 255 ** 2;
    const [inside, border] = [0.6, 0.3].map((step) => {
      const [m, n] = [step / 2, step];
      return (2 * m * n + c) / (m ** 2 + n ** 2 + c);
    }) as [number, number];
    const columns = Array.from({ length: 14 }, (_, i) => (i === 6 ? inside : i === 5 || i === 7 ? border : 1));
    const mean = columns.reduce((sum, value) => sum + value, 0) / 14;
    const deviation = Math.sqrt(columns.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 14);
    expect(gmsd(weaker, edge)).toBeCloseTo(deviation, 4);
  });

  it('grows with noise', () => {
    const generator = new Generator(1);
    const noise = Float32Array.from({ length: edge.data.length }, () => generator.normal());
    const noisy = (sigma: number) => ({
      dims: edge.dims,
      data: edge.data.map((value, i) => value + sigma * (noise[i] as number)),
    });
    const values = [0.01, 0.03, 0.1].map((sigma) => gmsd(noisy(sigma), edge));
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  });
});
