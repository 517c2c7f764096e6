/** Differentiable augmentation in front of a discriminator (DiffAugment: Zhao et al. 2020, arXiv:2006.10738). */
import { constantOf, int, ints, type Tensor } from '../graph/index.js';
import type { Draws } from '../transforms/index.js';

/** What may be done to the images that a discriminator sees, by DiffAugment's names. */
export type Augmentation = 'color' | 'translation' | 'cutout';

/** As parts of the size: how far images are moved, and the side of the square that is cut out. */
const TRANSLATION = 1 / 8;
const CUTOUT = 1 / 2;

interface Step {
  /** Uniform numbers for each sample. */
  readonly draws: number;
  /** @param u `[B, 1, 1, 1]` in [0, 1) each. @param width of the range of the image's values. */
  apply(image: Tensor, u: readonly Tensor[], width: number): Tensor;
}

const STEPS: Readonly<Record<Augmentation, Step>> = {
  /** Brightness: x + (u − ½)·width/2; saturation: 2u·(x − c) + c, c a pixel's mean; contrast: (u + ½)·(x − m) + m, m the image's mean. */
  color: {
    draws: 3,
    apply(image, [brightness, saturation, contrast], width) {
      const brighter = image.add((brightness as Tensor).sub(0.5).mul(width / 2));
      const saturated = scaled(brighter, brighter.mean([1], true), (saturation as Tensor).mul(2));
      return scaled(saturated, saturated.mean([1, 2, 3], true), (contrast as Tensor).add(0.5));
    },
  },
  /** Moves by up to an eighth of the size, each way; what comes in is 0. */
  translation: {
    draws: 2,
    apply: (image, [down, right]) => moved(moved(image, down as Tensor).swapAxes(2, 3), right as Tensor).swapAxes(2, 3),
  },
  /** A square of half the size around a random place is 0. */
  cutout: {
    draws: 2,
    apply(image, centres) {
      const [rows, columns] = [2, 3].map((axis) => {
        const size = image.dim(axis);
        const side = Math.floor(size * CUTOUT + 0.5);
        // Places of the centre: one more where the side is even.
        const first = whole(centres[axis - 2] as Tensor, size + 1 - (side % 2)).sub(Math.floor(side / 2));
        const places = along(image, axis, size).sub(first);
        return places.greaterOrEqual(0).logicalAnd(places.less(side));
      }) as [Tensor, Tensor];
      return rows.logicalAnd(columns).where(0, image);
    },
  },
};

/** The images as a discriminator sees them, each sample otherwise; images that draw from the same `draws` alike. @param key names the draws. */
export function augmented(
  image: Tensor,
  augmentations: readonly Augmentation[],
  draws: Draws,
  key: object,
  width: number,
): Tensor {
  const total = augmentations.reduce((sum, name) => sum + STEPS[name].draws, 0);
  const uniform = draws.once(key, () => {
    const shape = ints([total, image.dim(0), 1, 1, 1]);
    return image.graph.emit('RandomUniform', [], { shape, dtype: int(1) })[0] as Tensor;
  });
  let used = 0;
  return augmentations.reduce((x, name) => {
    const { draws: count, apply } = STEPS[name];
    const own = Array.from({ length: count }, (_, i) => uniform.slice([0], [used + i], [used + i + 1]).squeeze([0]));
    used += count;
    return apply(x, own, width);
  }, image);
}

const scaled = (x: Tensor, around: Tensor, factor: Tensor): Tensor => x.sub(around).mul(factor).add(around);

/** A whole number in [0, count) of each uniform one. */
const whole = (u: Tensor, count: number): Tensor =>
  u
    .mul(count)
    .floor()
    .minimum(count - 1);

/** 0, 1, 2 … along an axis of images. */
const along = ({ graph }: Tensor, axis: number, size: number): Tensor =>
  graph.constant(
    constantOf(
      'float32',
      [0, 1, 2, 3].map((other) => (other === axis ? size : 1)),
      Array.from({ length: size }, (_, i) => i),
    ),
  );

/** Rows moved by up to an eighth of their number: a product with the matrix that has 1 where row i is to be row j of before. */
function moved(x: Tensor, u: Tensor): Tensor {
  const size = x.dim(2);
  const most = Math.floor(size * TRANSLATION + 0.5);
  const shift = whole(u, 2 * most + 1).sub(most);
  const from = along(x, 2, size).add(shift);
  return along(x, 3, size).equal(from).cast('float32').matmul(x);
}
