/** Cropping and padding (https://pytorch.org/vision/stable/transforms.html). */
import { float, GlobalPercError, type Graph, int, ints, string, type Tensor } from '../graph/index.js';
import { type Check, type Checks, checkOptions, count, number, oneOf, refused } from '../options/index.js';
import { roundHalfEven, type Size, sizeOfSides } from './size.js';
import { type Draws, requireImage, type Transform } from './transform.js';

/** The centre of the image; a smaller image is padded with zeros first, the odd pixel at the end. */
export class CenterCrop implements Transform {
  readonly size: readonly [number, number];

  /** @throws GlobalPercError on a size that is not positive. */
  constructor(size: Size) {
    this.size = sizeOfSides(size, 'CenterCrop');
  }

  apply(image: Tensor): Tensor {
    requireImage(image, 'CenterCrop');
    const padded = this.padded(image);
    const starts = this.size.map((side, i) => roundHalfEven((padded.dim(i + 2) - side) / 2));
    if (this.size.every((side, i) => side === padded.dim(i + 2))) return padded;
    return padded.slice(
      [2, 3],
      starts,
      starts.map((start, i) => start + (this.size[i] as number)),
    );
  }

  geometry(plane: Tensor): Tensor {
    return this.apply(plane);
  }

  private padded(image: Tensor): Tensor {
    const missing = this.size.map((side, i) => Math.max(0, side - image.dim(i + 2)));
    const before = missing.map((count) => Math.floor(count / 2));
    const after = missing.map((count) => Math.floor((count + 1) / 2));
    return image.pad([0, 0, ...before], [0, 0, ...after]);
  }
}

/** Options of RandomCrop and RandomShift. */
export interface RandomCropOptions {
  /** Makes the sequence of places of a session repeatable. */
  readonly seed?: number;
}

export const RANDOM_CROP: Checks<RandomCropOptions> = { seed: number() };

/** A part of the image at a random place, the same for all images that `transform` draws for. */
function cropAtRandom(image: Tensor, size: readonly number[], transform: object, draws: Draws, seed?: number): Tensor {
  const uniform = draws.once(transform, () => twoUniform(image.graph, seed));
  return size.reduce((result, side, i) => {
    const places = image.dim(i + 2) - side + 1;
    const offset = uniform
      .slice([0], [i], [i + 1])
      .mul(places)
      .floor()
      .minimum(places - 1)
      .cast('int64');
    const indices = offset.add(image.graph.ints(Array.from({ length: side }, (_, j) => j)));
    return result.gather(indices, i + 2);
  }, image);
}

/** Two uniform numbers in [0, 1). */
function twoUniform(graph: Graph, seed: number | undefined): Tensor {
  const seeded = seed === undefined ? {} : { seed: float(seed) };
  return graph.emit('RandomUniform', [], { shape: ints([2]), dtype: int(1), ...seeded })[0] as Tensor;
}

/** A crop at a random place, the same for both images and another at each run. */
export class RandomCrop implements Transform {
  readonly size: readonly [number, number];
  private readonly seed: number | undefined;

  /** @throws GlobalPercError on a size that is not positive, or an unknown option. */
  constructor(size: Size, options: RandomCropOptions = {}) {
    this.size = sizeOfSides(size, 'RandomCrop');
    this.seed = checkOptions(options, RANDOM_CROP, 'RandomCrop').seed;
  }

  /** @throws GlobalPercError when the image is smaller than the crop. */
  apply(image: Tensor, draws: Draws): Tensor {
    requireImage(image, 'RandomCrop');
    if (this.size.some((side, i) => side > image.dim(i + 2))) {
      throw new GlobalPercError(
        `RandomCrop of ${this.size.join('×')} does not fit an image of shape [${image.shape}]; pad or resize it first`,
        { code: 'invalid-argument' },
      );
    }
    return cropAtRandom(image, this.size, this, draws, this.seed);
  }

  geometry(plane: Tensor, draws: Draws): Tensor {
    return this.apply(plane, draws);
  }
}

/** Options of Pad. */
export interface PadOptions {
  /** `constant` fills with `fill`, `reflect` mirrors without repeating the edge, `edge` repeats it. Default `constant`. */
  readonly mode?: 'constant' | 'reflect' | 'edge';
  /** Default 0. */
  readonly fill?: number;
}

/** Padding in pixels: one number, [left and right, top and bottom], or [left, top, right, bottom]. */
export type Padding = number | readonly [number, number] | readonly [number, number, number, number];

export const PAD: Checks<PadOptions> = { mode: oneOf('constant', 'reflect', 'edge'), fill: number() };

/** Checks a padding. */
export const requirePadding: Check<Padding> = (value, where) => {
  const values = Array.isArray(value) ? Array.from(value) : [value];
  if ([1, 2, 4].includes(values.length) && values.every((side) => Number.isSafeInteger(side) && side >= 0)) {
    return value as Padding;
  }
  throw refused(where, '1, 2 or 4 non-negative integers', value);
};

/** Adds a border. */
export class Pad implements Transform {
  readonly padding: readonly [number, number, number, number];
  readonly mode: 'constant' | 'reflect' | 'edge';
  readonly fill: number;

  /** @throws GlobalPercError on a padding that is not 1, 2 or 4 non-negative integers, and on an unknown option or mode. */
  constructor(padding: Padding, options: PadOptions = {}) {
    const [left, top = left, right = left, bottom = top] = [requirePadding(padding, 'Pad: padding')].flat();
    const { mode = 'constant', fill = 0 } = checkOptions(options, PAD, 'Pad');
    this.padding = [left as number, top as number, right as number, bottom as number];
    this.mode = mode;
    this.fill = fill;
  }

  /** @throws GlobalPercError when a reflection is not smaller than the image. */
  apply(image: Tensor): Tensor {
    return this.padded(image, this.fill);
  }

  geometry(plane: Tensor): Tensor {
    return this.padded(plane, 0);
  }

  private padded(image: Tensor, fill: number): Tensor {
    requireImage(image, 'Pad');
    const [left, top, right, bottom] = this.padding;
    if (this.mode === 'constant') return image.pad([0, 0, top, left], [0, 0, bottom, right], fill);
    if (this.mode === 'reflect' && (Math.max(top, bottom) >= image.dim(2) || Math.max(left, right) >= image.dim(3))) {
      throw new GlobalPercError(`Pad: a reflection of [${this.padding}] needs a larger image than [${image.shape}]`, {
        code: 'invalid-argument',
      });
    }
    const pads = image.graph.ints([0, 0, top, left, 0, 0, bottom, right]);
    return image.graph.emit('Pad', [image, pads], { mode: string(this.mode) })[0] as Tensor;
  }
}

/**
 * A shift by up to `pixels` in each direction, in whole pixels, the same for both images and another at each run; what comes
 * in from the border is its reflection. Behind it a vision transformer's patches begin at another place each time, against
 * their grid in what a student makes.
 */
export class RandomShift implements Transform {
  readonly pixels: number;
  private readonly seed: number | undefined;

  /** @throws GlobalPercError when pixels is no integer from 1 on, and on an unknown option. */
  constructor(pixels: number, options: RandomCropOptions = {}) {
    this.pixels = count(pixels, 'RandomShift: pixels');
    this.seed = checkOptions(options, RANDOM_CROP, 'RandomShift').seed;
  }

  /** @throws GlobalPercError when the image is not larger than the shift. */
  apply(image: Tensor, draws: Draws): Tensor {
    requireImage(image, 'RandomShift');
    const size = image.shape.slice(2);
    if (size.some((side) => side <= this.pixels)) {
      throw new GlobalPercError(
        `RandomShift by ${this.pixels} pixels needs an image with larger sides, got shape [${image.shape}]`,
        { code: 'invalid-argument' },
      );
    }
    return cropAtRandom(new Pad(this.pixels, { mode: 'reflect' }).apply(image), size, this, draws, this.seed);
  }

  geometry(plane: Tensor, draws: Draws): Tensor {
    return this.apply(plane, draws);
  }
}
