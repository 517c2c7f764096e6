/** A program that takes most of what is free is announced before it does. */
import { afterEach, expect, it, vi } from 'vitest';
import { nn } from '../../src/index.js';
import { platform } from '../../src/runtime/index.js';

afterEach(() => vi.restoreAllMocks());

it.each([
  [1000, 1],
  [2 ** 30, 0],
])('%i bytes free: %i warnings', async (free, warnings) => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  vi.spyOn(platform.memory, 'free').mockReturnValue(free);
  await using loss = new nn.L1Loss();
  const image = { dims: [1, 3, 8, 8], data: new Float32Array(192) };
  for (let call = 0; call < 2; call += 1) await loss.valueAndGrad(image, image);
  expect(warn.mock.calls).toEqual(
    new Array(warnings).fill([
      'globalperc: this loss needs about 0.0 GB of memory, and 0.0 GB are free: take smaller images or batches, or fewer hooks',
    ]),
  );
});
