/** Small pure parts of the page: keys of tabs, Adam on pixels. */
import { expect, it } from 'vitest';
import { PixelAdam } from '../../studio/src/descend/adam.js';
import { tabAfter } from '../../studio/src/ui/tab-keys.js';

it.each([
  ['ArrowRight', 3, 0],
  ['ArrowRight', 1, 2],
  ['ArrowLeft', 0, 3],
  ['Home', 2, 0],
  ['End', 0, 3],
  ['a', 2, undefined],
])('%s from tab %i leads to %s', (key, at, next) => {
  expect(tabAfter(key, at, 4)).toBe(next);
});

it('Adam moves by its rate at first, whatever the size of the gradient, and stays in [0, 1]', () => {
  const adam = new PixelAdam(4);
  const next = adam.next(Float32Array.of(0.5, 0.5, 0.5, 0.995), [1e-3, -100, 0, -1], 0.01);
  expect([...next].map((value) => Number(value.toFixed(4)))).toEqual([0.49, 0.51, 0.5, 1]);
});

it('Adam finds the least of a parabola', () => {
  const adam = new PixelAdam(1);
  let pixels = Float32Array.of(0.9);
  for (let step = 0; step < 400; step += 1)
    pixels = Float32Array.from(adam.next(pixels, [2 * ((pixels[0] as number) - 0.3)], 0.01));
  expect(pixels[0]).toBeCloseTo(0.3, 2);
});
