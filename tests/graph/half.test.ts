/** Every kind of float16, by its bits. */
import { expect, it } from 'vitest';
import { halvesToFloats } from '../../src/graph/index.js';

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
