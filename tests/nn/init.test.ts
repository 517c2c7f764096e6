/** Initial values: bounds, means and deviations of the distributions. */
import { beforeEach, describe, expect, it } from 'vitest';
import * as nn from '../../src/nn/index.js';

const { init } = nn;
const weight = (): nn.Parameter => new nn.Parameter([64, 32, 3, 3]);
const [FAN_IN, FAN_OUT] = [32 * 9, 64 * 9];

function momentsOf(data: ArrayLike<number>): { mean: number; std: number; low: number; high: number } {
  const values = Array.from(data);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { mean, std, low: Math.min(...values), high: Math.max(...values) };
}

beforeEach(() => nn.manualSeed(0));

/** Within 3 % for some ten thousand draws. */
function expectMoments({ data }: nn.Parameter, mean: number, std: number): void {
  const moments = momentsOf(data);
  expect(Math.abs(moments.mean - mean)).toBeLessThan(0.03 * std);
  expect(Math.abs(moments.std / std - 1)).toBeLessThan(0.03);
}

function expectUniform(parameter: nn.Parameter, low: number, high: number): void {
  expectMoments(parameter, (low + high) / 2, (high - low) / Math.sqrt(12));
  const moments = momentsOf(parameter.data);
  const margin = (high - low) * 1e-3;
  expect(moments.low).toBeGreaterThanOrEqual(Math.fround(low));
  expect(moments.high).toBeLessThanOrEqual(Math.fround(high));
  expect(moments.low).toBeLessThan(low + margin);
  expect(moments.high).toBeGreaterThan(high - margin);
}

describe('distributions', () => {
  it('uniform', () => {
    expectUniform(init.uniform(weight()), 0, 1);
    expectUniform(init.uniform(weight(), { a: -3, b: -1 }), -3, -1);
  });
  it('normal', () => {
    expectMoments(init.normal(weight()), 0, 1);
    expectMoments(init.normal(weight(), { mean: 2, std: 0.5 }), 2, 0.5);
  });
  it('constant, ones, zeros', () => {
    expect(new Set(init.constant(weight(), 0.5).data)).toEqual(new Set([0.5]));
    expect(new Set(init.ones(weight()).data)).toEqual(new Set([1]));
    expect(new Set(init.zeros(init.ones(weight())).data)).toEqual(new Set([0]));
  });
  it('xavier', () => {
    const std = Math.sqrt(2 / (FAN_IN + FAN_OUT));
    expectUniform(init.xavierUniform(weight()), -Math.sqrt(3) * std, Math.sqrt(3) * std);
    expectMoments(init.xavierNormal(weight(), { gain: 2 }), 0, 2 * std);
  });
  it('kaiming', () => {
    const bound = Math.sqrt(2) * Math.sqrt(3 / FAN_IN);
    expectUniform(init.kaimingUniform(weight()), -bound, bound);
    expectUniform(init.kaimingUniform(weight(), { a: Math.sqrt(5) }), -1 / Math.sqrt(FAN_IN), 1 / Math.sqrt(FAN_IN));
    expectMoments(init.kaimingNormal(weight(), { mode: 'fan_out', nonlinearity: 'relu' }), 0, Math.sqrt(2 / FAN_OUT));
  });
  it.each([
    { options: {}, mean: 0, std: 0.8796, low: -2, high: 2 },
    { options: { std: 0.02 }, mean: 0, std: 0.02, low: -0.12, high: 0.12 },
    { options: { mean: 1, std: 2, a: 1, b: 1.5 }, mean: 1.2487, std: 0.1443, low: 1, high: 1.5 },
    { options: { a: 2, b: 5 }, mean: 2.3732, std: 0.3369, low: 2, high: 5 },
  ])('truncNormal with $options', ({ options, mean, std, low, high }) => {
    const parameter = init.truncNormal(weight(), options);
    expectMoments(parameter, mean, std);
    expect(momentsOf(parameter.data).low).toBeGreaterThanOrEqual(low);
    expect(momentsOf(parameter.data).high).toBeLessThanOrEqual(high);
  });
  it.each([[[24, 40]], [[40, 24]], [[8, 4, 3, 3]], [[16, 16]]])('orthogonal of shape %j', (shape) => {
    const { data } = init.orthogonal(new nn.Parameter(shape), { gain: 2 });
    const rows = shape[0] as number;
    const columns = data.length / rows;
    const at = (vector: number, place: number): number =>
      (rows <= columns ? data[vector * columns + place] : data[place * columns + vector]) as number;
    for (let a = 0; a < Math.min(rows, columns); a += 1) {
      for (let b = 0; b <= a; b += 1) {
        let dot = 0;
        for (let place = 0; place < Math.max(rows, columns); place += 1) dot += at(a, place) * at(b, place);
        expect(dot).toBeCloseTo(a === b ? 4 : 0, 5);
      }
    }
  });
});

describe('gains', () => {
  it('are those of PyTorch', () => {
    expect(init.calculateGain('linear')).toBe(1);
    expect(init.calculateGain('tanh')).toBe(5 / 3);
    expect(init.calculateGain('relu')).toBe(Math.SQRT2);
    expect(init.calculateGain('leaky_relu')).toBeCloseTo(Math.sqrt(2 / 1.0001), 12);
    expect(init.calculateGain('leaky_relu', 0.2)).toBeCloseTo(Math.sqrt(2 / 1.04), 12);
    expect(init.calculateGain('selu')).toBe(0.75);
  });
});

describe('manualSeed', () => {
  const draw = (): number[] => Array.from(init.normal(new nn.Parameter([4])).data);
  it('repeats what follows it', () => {
    nn.manualSeed(5);
    const first = draw();
    const second = draw();
    nn.manualSeed(5);
    expect(draw()).toEqual(first);
    expect(draw()).toEqual(second);
    nn.manualSeed(6);
    expect(draw()).not.toEqual(first);
  });
  it('takes integers alone', () => expect(() => nn.manualSeed(0.5)).toThrow(/manualSeed: the seed .* 0\.5/));
});

describe('errors', () => {
  it('names what has no fans', () => {
    expect(() => init.xavierUniform(new nn.Parameter([3]))).toThrow(/\[3\] has no fans/);
    expect(() => init.orthogonal(new nn.Parameter([3]))).toThrow(/orthogonal: .*\[3\]/);
  });
  it('names an unknown nonlinearity or mode', () => {
    expect(() => init.calculateGain('gelu' as 'relu')).toThrow(/nonlinearity should be one of linear/);
    expect(() => init.kaimingNormal(weight(), { mode: 'fan' as 'fan_in' })).toThrow(/mode should be one of fan_in/);
  });
  it('refuses bounds far from the mean', () => {
    expect(() => init.truncNormal(weight(), { a: 3, b: 4 })).toThrow(/truncNormal: mean 0 and std 1/);
    expect(() => init.truncNormal(weight(), { a: 1, b: 1 })).toThrow(/truncNormal/);
  });
});

describe('layers start as in PyTorch', () => {
  it.each([
    { name: 'Linear', layer: () => new nn.Linear(100, 400), fan: 100 },
    { name: 'Conv2d', layer: () => new nn.Conv2d(16, 512, 3, { groups: 2 }), fan: 72 },
    { name: 'ConvTranspose2d', layer: () => new nn.ConvTranspose2d(64, 512, 3, { groups: 4 }), fan: 128 * 9 },
  ])('$name: uniform in ±1/√fan', ({ layer, fan }) => {
    const { weight: w, bias } = layer();
    expectUniform(w, -1 / Math.sqrt(fan), 1 / Math.sqrt(fan));
    expect(Math.abs(momentsOf((bias as nn.Parameter).data).std * Math.sqrt(3 * fan) - 1)).toBeLessThan(0.1);
  });
  it('Embedding: standard-normal, the padding row zero', () => {
    const { weight: w } = new nn.Embedding(500, 40, { paddingIdx: -1 });
    expect(Array.from(w.data.slice(-40)).every((value) => value === 0)).toBe(true);
    expectMoments(new nn.Parameter([499 * 40], w.data.slice(0, -40)), 0, 1);
  });
  it('MultiheadAttention: xavier-uniform inputs, zero biases', () => {
    const attention = new nn.MultiheadAttention(64, 4);
    const bound = Math.sqrt(6 / (4 * 64));
    expectUniform(attention.in_proj_weight as nn.Parameter, -bound, bound);
    expect(new Set(attention.in_proj_bias?.data)).toEqual(new Set([0]));
    expect(new Set(attention.out_proj.bias?.data)).toEqual(new Set([0]));
    const separate = new nn.MultiheadAttention(64, 4, { kdim: 96 });
    expectUniform(separate.k_proj_weight as nn.Parameter, -Math.sqrt(6 / 160), Math.sqrt(6 / 160));
  });
  it('normalisations: ones and zeros', () => {
    for (const layer of [new nn.BatchNorm2d(3), new nn.GroupNorm(1, 3), new nn.LayerNorm(3)]) {
      expect(Array.from(layer.weight?.data ?? [])).toEqual([1, 1, 1]);
      expect(Array.from(layer.bias?.data ?? [])).toEqual([0, 0, 0]);
    }
  });
});
