/** What makes the input of a restoration student from its target. Images are [C, H, W] in [0, 1]. */
import { GlobalPercError } from '../graph/index.js';
import {
  type Check,
  type Checks,
  checkOptions,
  count,
  integer,
  number,
  pairOf,
  positive,
  refused,
  withMethods,
} from '../options/index.js';
import type { Generator } from '../random/index.js';
import { sidesOf } from './augment.js';
import type { ImageTensor } from './tensor.js';

/** Makes the input from the target. */
export interface Degradation {
  /** Returns an image of the same shape and leaves the given one as it is. */
  degrade(image: ImageTensor, generator: Generator): ImageTensor;
}

/** Checks a degradation, which may be a user's own. */
export const isDegradation: Check<Degradation> = withMethods('a degradation such as new Denoise()', 'degrade');

/** Options of SuperResolution. */
export interface SuperResolutionOptions {
  /** Side of the squares whose pixels become one. Default 4. */
  readonly scale?: number;
}

export const SUPER_RESOLUTION: Checks<SuperResolutionOptions> = { scale: integer(2) };

/**
 * Detail lost to a smaller size: the mean of every scale × scale square, enlarged again bilinearly (the centres of
 * pixels aligned, the edges repeated), so that the student sees the size it shall return. The image's mean stays.
 */
export class SuperResolution implements Degradation {
  readonly scale: number;

  /** @throws GlobalPercError on an unknown option, or when the scale is not an integer above 1. */
  constructor(options: SuperResolutionOptions = {}) {
    this.scale = checkOptions(options, SUPER_RESOLUTION, 'SuperResolution').scale ?? 4;
  }

  /** The image, shrunk and enlarged again. @throws GlobalPercError when height or width is no multiple of the scale. */
  degrade(image: ImageTensor): ImageTensor {
    const [channels, height, width] = sidesOf(image);
    if (height % this.scale !== 0 || width % this.scale !== 0) {
      throw new GlobalPercError(
        `SuperResolution needs images whose sides are multiples of ${this.scale}, got ${height}×${width}; crop or resize them`,
        { code: 'invalid-argument' },
      );
    }
    const data = image.data.slice();
    for (let row = 0; row < channels * height; row += 1) blur(data, row * width, 1, width, this.scale);
    for (let channel = 0; channel < channels; channel += 1) {
      for (let x = 0; x < width; x += 1) blur(data, channel * height * width + x, width, height, this.scale);
    }
    return { dims: image.dims, data };
  }
}

/** Shrinks and enlarges one line of an image in place; `step` lies between its elements. */
function blur(data: Float32Array, start: number, step: number, length: number, scale: number): void {
  const small = new Float64Array(length / scale);
  for (let i = 0; i < length; i += 1) {
    const cell = Math.floor(i / scale);
    small[cell] = (small[cell] as number) + (data[start + i * step] as number) / scale;
  }
  for (let i = 0; i < length; i += 1) {
    const position = Math.min(Math.max((i + 0.5) / scale - 0.5, 0), small.length - 1);
    const before = Math.floor(position);
    const [a, b] = [small[before] as number, small[Math.min(before + 1, small.length - 1)] as number];
    data[start + i * step] = a + (b - a) * (position - before);
  }
}

/** Options of Denoise. */
export interface DenoiseOptions {
  /** Standard deviation, in units of [0, 1]. Default 0.1. */
  readonly sigma?: number;
}

export const DENOISE: Checks<DenoiseOptions> = { sigma: positive };

/** Gaussian noise, independent for every value; the result is clamped to [0, 1]. */
export class Denoise implements Degradation {
  readonly sigma: number;

  /** @throws GlobalPercError on an unknown option, or when sigma is not a positive number. */
  constructor(options: DenoiseOptions = {}) {
    this.sigma = checkOptions(options, DENOISE, 'Denoise').sigma ?? 0.1;
  }

  degrade({ dims, data }: ImageTensor, generator: Generator): ImageTensor {
    return { dims, data: data.map((value) => Math.min(Math.max(value + this.sigma * generator.normal(), 0), 1)) };
  }
}

/** Options of Inpaint. */
export interface InpaintOptions {
  /** Number of rectangles; they may overlap. Default 4. */
  readonly count?: number;
  /** Least and greatest side of a rectangle, as fractions of the image's. Default [0.1, 0.3]. */
  readonly size?: readonly [number, number];
}

const fractions = pairOf(number({ above: 0, most: 1 }));

export const INPAINT: Checks<InpaintOptions> = { count, size: fractions };

/** Random rectangles of the image become grey, 0.5 in all channels. */
export class Inpaint implements Degradation {
  readonly count: number;
  readonly size: readonly [number, number];

  /** @throws GlobalPercError on an unknown option, a count below 1, or a size that is no ascending range in (0, 1]. */
  constructor(options: InpaintOptions = {}) {
    const { count = 4, size = [0.1, 0.3] } = checkOptions(options, INPAINT, 'Inpaint');
    if (size[0] > size[1]) {
      throw refused('Inpaint: size', 'the least and greatest fraction of a side, such as [0.1, 0.3]', size);
    }
    this.count = count;
    this.size = size;
  }

  degrade(image: ImageTensor, generator: Generator): ImageTensor {
    const [channels, height, width] = sidesOf(image);
    const data = image.data.slice();
    for (let i = 0; i < this.count; i += 1) {
      const [top, rows] = this.draw(height, generator);
      const [left, columns] = this.draw(width, generator);
      for (let channel = 0; channel < channels; channel += 1) {
        for (let y = top; y < top + rows; y += 1) {
          const start = (channel * height + y) * width + left;
          data.fill(0.5, start, start + columns);
        }
      }
    }
    return { dims: image.dims, data };
  }

  /** Start and length on one axis. */
  private draw(side: number, generator: Generator): [number, number] {
    const [least, greatest] = this.size;
    const length = Math.max(1, Math.round(side * (least + (greatest - least) * generator.uniform())));
    return [generator.integer(side - length + 1), length];
  }
}

/** Nothing is lost: the input is the target. */
export class Autoencode implements Degradation {
  degrade(image: ImageTensor): ImageTensor {
    return image;
  }
}
