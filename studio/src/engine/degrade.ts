/** What the page's own examples and starting points are made of. */
import { Generator } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { resized, sidesOf } from './image.js';

/** What can be done to a picture, to see what a loss makes of it. */
export const DEGRADATIONS = {
  blurred: (image) => blurred(image, 3),
  shifted: (image) => shifted(image, 3),
  noisy: (image) => noisy(image, 0.08, 1),
  darker: ({ dims, data }) => ({ dims, data: data.map((value) => 0.8 * value) }),
} satisfies Record<string, (image: ImageTensor) => ImageTensor>;

export type DegradationName = keyof typeof DEGRADATIONS;

/** Detail lost to a smaller size. @param scale how many pixels become one, in each direction. */
export function blurred(image: ImageTensor, scale: number): ImageTensor {
  const [height, width] = sidesOf(image);
  const small = [Math.max(1, Math.round(height / scale)), Math.max(1, Math.round(width / scale))] as const;
  return resized(resized(image, small), [height, width]);
}

/** Moved to the right and down; what comes in at the edge repeats it. */
function shifted({ dims, data }: ImageTensor, by: number): ImageTensor {
  const [height, width] = sidesOf({ dims, data });
  const area = height * width;
  return {
    dims,
    data: data.map((_, i) => {
      const [y, x] = [Math.floor((i % area) / width), i % width];
      const from = Math.max(0, y - by) * width + Math.max(0, x - by);
      return data[i - (i % area) + from] as number;
    }),
  };
}

/** Gaussian noise, seeded. */
export function noisy({ dims, data }: ImageTensor, sigma: number, seed: number): ImageTensor {
  const generator = new Generator(seed);
  return { dims, data: data.map((value) => Math.min(1, Math.max(0, value + sigma * generator.normal()))) };
}

/** Noise alone, around grey. */
export function noise(sides: readonly [number, number], seed: number): ImageTensor {
  const dims = [3, ...sides];
  return noisy({ dims, data: new Float32Array(3 * sides[0] * sides[1]).fill(0.5) }, 0.15, seed);
}
