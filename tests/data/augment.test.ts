/** Paired transforms: one choice for all images of a sample. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodedImage } from '../../src/data/decoded-image.js';
import {
  CenterCrop,
  Compose,
  type ImageTensor,
  RandomCrop,
  RandomHorizontalFlip,
  RandomRotate90,
} from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { Generator } from '../../src/random/index.js';
import { numberedImage, randomImage } from './images.js';

const everything = new Compose([new RandomCrop([5, 3]), new RandomHorizontalFlip(), new RandomRotate90()]);

/** Every pixel repeated, so that a crop at the right place is again an enlargement. */
function enlarged({ dims, data }: ImageTensor, scale: number): ImageTensor {
  const [channels, height, width] = dims as [number, number, number];
  const result = Array.from({ length: channels * height * scale * width * scale }, (_, i) => {
    const x = Math.floor((i % (width * scale)) / scale);
    const row = Math.floor(i / (width * scale));
    const y = Math.floor((row % (height * scale)) / scale);
    return data[(Math.floor(row / (height * scale)) * height + y) * width + x] as number;
  });
  return { dims: [channels, height * scale, width * scale], data: Float32Array.from(result) };
}

it('input and target are treated alike, and repeatably', () => {
  const property = fc.property(fc.integer(), fc.integer({ min: 5, max: 9 }), (seed, side) => {
    const image = randomImage(3, side, side + 1, seed);
    const [input, target] = everything.apply([image, image], new Generator(seed));
    expect(target).toEqual(input);
    expect(everything.apply([image], new Generator(seed))).toEqual([input]);
    expect(image).toEqual(randomImage(3, side, side + 1, seed));
  });
  fc.assert(property);
});

it('a larger target keeps showing what the input shows', () => {
  const property = fc.property(fc.integer(), fc.integer({ min: 1, max: 4 }), (seed, scale) => {
    const image = numberedImage(2, 7, 6);
    const [input, target] = everything.apply([image, enlarged(image, scale)], new Generator(seed));
    expect(target).toEqual(enlarged(input as ImageTensor, scale));
    const [small, large] = new CenterCrop(4).apply([image, enlarged(image, scale)]);
    expect(large).toEqual(enlarged(small as ImageTensor, scale));
  });
  fc.assert(property);
});

describe('RandomCrop', () => {
  it('reaches every place equally often', () => {
    const image = numberedImage(1, 4, 4);
    const counts = new Map<number, number>();
    for (let seed = 0; seed < 900; seed += 1) {
      const corner = new RandomCrop(2).apply([image], new Generator(seed))[0]?.data[0] as number;
      counts.set(corner, (counts.get(corner) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6, 8, 9, 10]);
    expect(Math.min(...counts.values())).toBeGreaterThan(65);
  });

  it('takes the same from a decoded image as from its values', () => {
    const bytes = Uint8Array.from({ length: 6 * 5 * 3 }, (_, i) => i);
    const image = new DecodedImage({ samples: bytes, height: 6, width: 5 });
    const crops = new RandomCrop([3, 2]).apply([image, { dims: image.dims, data: image.data }], new Generator(7));
    expect(crops[0]).toEqual(crops[1]);
    expect(image.data[30 + 7]).toBe(Math.fround((3 * 7 + 1) / 255));
  });
});

it.each([
  [4, [5, 6, 9, 10]],
  [3, [4, 5, 7, 8]],
  [5, [12, 13, 17, 18]],
])('CenterCrop of an image of %i, where half pixels go to the even number', (side, expected) => {
  expect(new CenterCrop(2).apply([numberedImage(1, side, side)])[0]?.data).toEqual(
    Float32Array.from(side === 3 ? [0, 1, 3, 4] : expected),
  );
});

describe('RandomHorizontalFlip', () => {
  it('exchanges left and right', () => {
    const [flipped] = new RandomHorizontalFlip(1).apply([numberedImage(2, 2, 3)], new Generator(0));
    expect(flipped?.data).toEqual(Float32Array.of(2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9));
    const image = numberedImage(1, 2, 3);
    expect(new RandomHorizontalFlip(0).apply([image], new Generator(0))).toEqual([image]);
  });

  it('does so with its probability', () => {
    const image = numberedImage(1, 1, 2);
    const flips = Array.from(
      { length: 2000 },
      (_, seed) => new RandomHorizontalFlip(0.3).apply([image], new Generator(seed))[0]?.data[0] as number,
    );
    expect(flips.reduce((a, b) => a + b) / 2000).toBeCloseTo(0.3, 1);
  });
});

it('RandomRotate90 turns by all four angles, as torch.rot90', () => {
  const turned = new Set<string>();
  for (let seed = 0; seed < 40; seed += 1) {
    const [image] = new RandomRotate90().apply([numberedImage(1, 2, 3)], new Generator(seed));
    turned.add(`${image?.dims}: ${image?.data}`);
  }
  expect([...turned].toSorted()).toEqual([
    '1,2,3: 0,1,2,3,4,5',
    '1,2,3: 5,4,3,2,1,0',
    '1,3,2: 2,5,1,4,0,3',
    '1,3,2: 3,0,4,1,5,2',
  ]);
});

describe('wrong use', () => {
  const image = numberedImage(3, 8, 9);
  it.each([
    [
      'a size of zero',
      () => new RandomCrop(0),
      /RandomCrop: size should be a positive integer or \[height, width\], got 0/,
    ],
    ['three sizes', () => new CenterCrop([1, 2, 3] as never), /got \[1, 2, 3\]/],
    ['a probability of 2', () => new RandomHorizontalFlip(2), /p should be a number from 0 to 1, got 2/],
    [
      'a crop larger than the image',
      () => new RandomCrop([4, 10]).apply([image], new Generator(0)),
      /RandomCrop of 4×10 does not fit an image of 8×9; take a smaller crop/,
    ],
    [
      'sizes without an integer scale',
      () => new CenterCrop(2).apply([image, numberedImage(3, 16, 27)]),
      /images of 8×9 and 16×27 do not belong together/,
    ],
    [
      'a batch',
      () => new CenterCrop(2).apply([{ dims: [1, 3, 8, 9], data: image.data }]),
      /should have the shape \[C, H, W\], got \[1,3,8,9\]/,
    ],
  ])('%s', (_label, use, message) => {
    expect(use).toThrow(GlobalPercError);
    expect(use).toThrow(message);
  });
});
