/** Degradations: what is lost, measured. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Autoencode,
  type Degradation,
  Denoise,
  degradationFromJSON,
  type ImageTensor,
  Inpaint,
  SuperResolution,
} from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { Generator } from '../../src/random/index.js';
import { randomImage } from './images.js';

const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

const constant = (value: number, side = 128): ImageTensor => ({
  dims: [3, side, side],
  data: new Float32Array(3 * side * side).fill(value),
});

it.each<[string, Degradation]>([
  ['SuperResolution', new SuperResolution({ scale: 2 })],
  ['Denoise', new Denoise()],
  ['Inpaint', new Inpaint()],
  ['Autoencode', new Autoencode()],
])('%s keeps shape and range, is repeatable and leaves the target as it is', (_label, degradation) => {
  const target = randomImage(3, 20, 30);
  const input = degradation.degrade(target, new Generator(1, 2, 3));
  expect(input.dims).toEqual(target.dims);
  expect(Math.min(...input.data)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...input.data)).toBeLessThanOrEqual(1);
  expect(degradation.degrade(target, new Generator(1, 2, 3))).toEqual(input);
  expect(target).toEqual(randomImage(3, 20, 30));
});

describe('SuperResolution', () => {
  it('preserves the mean and what is constant', () => {
    const property = fc.property(fc.integer({ min: 2, max: 5 }), fc.integer(), (scale, seed) => {
      const image = randomImage(2, 3 * scale, 4 * scale, seed);
      const { data } = new SuperResolution({ scale }).degrade(image);
      expect(mean(data)).toBeCloseTo(mean(image.data), 5);
    });
    fc.assert(property);
    expect(new SuperResolution().degrade(constant(0.25))).toEqual(constant(0.25));
  });

  it('is the mean of squares, enlarged as torch does with align_corners=False', () => {
    const image = { dims: [1, 2, 4], data: Float32Array.of(0, 2, 4, 6, 2, 4, 8, 6) };
    const { data } = new SuperResolution({ scale: 2 }).degrade(image);
    expect(Array.from(data)).toEqual([2, 3, 5, 6, 2, 3, 5, 6]);
  });

  it('needs sides that can be divided', () => {
    expect(() => new SuperResolution().degrade(randomImage(3, 8, 10))).toThrow(/multiples of 4, got 8×10; crop/);
  });
});

it.each([0.01, 0.1])('Denoise adds noise of standard deviation %d', (sigma) => {
  const { data } = new Denoise({ sigma }).degrade(constant(0.5), new Generator(3));
  const noise = data.map((value) => value - 0.5);
  expect(mean(noise)).toBeCloseTo(0, 2);
  expect(Math.sqrt(mean(noise.map((value) => value * value))) / sigma).toBeCloseTo(1, 1);
  expect(mean(noise.map((value) => Number(Math.abs(value) < sigma)))).toBeCloseTo(0.683, 1);
});

describe('Inpaint', () => {
  it('makes rectangles of the given size grey, in all channels alike', () => {
    const property = fc.property(fc.integer(), (seed) => {
      const { data } = new Inpaint({ count: 1, size: [0.25, 0.5] }).degrade(constant(1, 16), new Generator(seed));
      const grey = Array.from(data.subarray(0, 256), (value, i) => (value === 0.5 ? i : -1)).filter((i) => i >= 0);
      const [rows, columns] = [new Set(grey.map((i) => Math.floor(i / 16))), new Set(grey.map((i) => i % 16))];
      expect(grey).toHaveLength(rows.size * columns.size);
      for (const { size } of [rows, columns]) {
        expect(size).toBeGreaterThanOrEqual(4);
        expect(size).toBeLessThanOrEqual(8);
      }
      expect(data.subarray(256, 512)).toEqual(data.subarray(0, 256));
      expect(data.subarray(512)).toEqual(data.subarray(0, 256));
    });
    fc.assert(property);
  });

  it('may cover everything', () => {
    expect(new Inpaint({ count: 1, size: [1, 1] }).degrade(constant(1), new Generator(0))).toEqual(constant(0.5));
  });
});

describe('from JSON', () => {
  it.each([
    ['autoencode', new Autoencode()],
    ['denoise', new Denoise()],
    [{ superResolution: { scale: 2 } }, new SuperResolution({ scale: 2 })],
    [{ superResolution: {} }, new SuperResolution({ scale: 4 })],
    [{ denoise: { sigma: 0.2 } }, new Denoise({ sigma: 0.2 })],
    [{ inpaint: { count: 2, size: [0.1, 0.2] } }, new Inpaint({ count: 2, size: [0.1, 0.2] })],
  ])('%j', (json, expected) => {
    expect(degradationFromJSON(json)).toEqual(expected);
    expect(degradationFromJSON(json)).toBeInstanceOf(expected.constructor);
  });

  it.each([
    ['blur', /degradation: 'blur' is not known; known are superResolution, denoise, inpaint, autoencode/],
    ['constructor', /is not known/],
    [
      { denoise: {}, inpaint: {} },
      /one key, of superResolution, denoise, inpaint, autoencode, got {"denoise": {}, "inpaint": {}}/,
    ],
    [{}, /got \{\}/],
    [null, /got null/],
    [undefined, /got undefined/],
    [3, /degradation should be a name or an object with one key, .* got 3/],
    [['denoise'], /got \["denoise"\]/],
    [{ denoise: 0.1 }, /denoise should be an object of options, got 0.1/],
    [{ denoise: null }, /denoise should be an object of options, got null/],
    [{ denoise: { std: 0.1 } }, /denoise: 'std' is not known; known are sigma/],
    [{ autoencode: { scale: 2 } }, /autoencode: 'scale' is not known; it takes none/],
    [{ denoise: { sigma: '0.1' } }, /denoise: sigma should be a number above 0, got "0.1"/],
    [{ superResolution: { scale: 1.5 } }, /superResolution: scale should be an integer from 2 on, got 1.5/],
    [{ inpaint: { count: 0 } }, /inpaint: count should be an integer from 1 on, got 0/],
    [{ inpaint: { size: [0.3, 0.1] } }, /Inpaint: size should be the least and greatest fraction .* got \[0.3, 0.1\]/],
    [{ inpaint: { size: 0.3 } }, /inpaint: size should be a list of 2, got 0.3/],
    [{ inpaint: { size: ['a', 'b'] } }, /inpaint: size\[0\] should be a number above 0 and up to 1, got "a"/],
  ])('%j is refused', (json, message) => {
    expect(() => degradationFromJSON(json)).toThrow(GlobalPercError);
    expect(() => degradationFromJSON(json)).toThrow(message);
  });
});
