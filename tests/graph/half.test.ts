/** Every kind of float16, by its bits. */
import { expect, it } from 'vitest';
import { floatsToHalves, halvesToFloats } from '../../src/graph/index.js';

it.each([
  ['zero', 0x0000, 0],
  ['minus zero', 0x8000, -0],
  ['the smallest', 0x0001, 2 ** -24],
  ['the smallest with all bits of the fraction', 0x83ff, -1023 * 2 ** -24],
  ['the smallest that is normal', 0x0400, 2 ** -14],
  ['one', 0x3c00, 1],
  ['one and the next', 0x3c01, 1 + 2 ** -10],
  ['minus two and a half', 0xc100, -2.5],
  ['the largest', 0x7bff, 65504],
  ['infinity', 0x7c00, Infinity],
  ['minus infinity', 0xfc00, -Infinity],
  ['not a number', 0x7c01, NaN],
  ['not a number, with a sign', 0xfe00, NaN],
])('%s', (_name, bits, value) => {
  expect(halvesToFloats(Uint16Array.of(0x3c00, bits, 0x4000))).toEqual(Float32Array.of(1, value, 2));
});

const ALL = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
const isNumber = (bits: number): boolean => (bits & 0x7fff) <= 0x7c00;

it('every float16 is made of its own value', () => {
  const made = floatsToHalves(halvesToFloats(ALL));
  expect(made.filter((bits, i) => isNumber(i) && bits !== i)).toEqual(new Uint16Array());
  expect(made.filter((bits, i) => !isNumber(i) && isNumber(bits))).toEqual(new Uint16Array());
});

it('what lies between two of them becomes the nearer, or the even one', () => {
  const values = halvesToFloats(ALL);
  for (let bits = 0; bits < 0x7bff; bits += 1) {
    const [low, high] = [values[bits] as number, values[bits + 1] as number];
    const middle = (low + high) / 2;
    const near = Math.fround(middle - (high - low) / 64);
    const far = Math.fround(middle + (high - low) / 64);
    const even = bits % 2 === 0 ? bits : bits + 1;
    const found = floatsToHalves(Float32Array.of(near, middle, far, -middle));
    if (found.join() !== [bits, even, bits + 1, 0x8000 | even].join()) expect.fail(`${bits}: ${found}`);
  }
  expect(floatsToHalves(Float32Array.of(65519, 65520, -1e9))).toEqual(Uint16Array.of(0x7bff, 0x7c00, 0xfc00));
});
