/** What makes the input of a restoration student from its target. Images are [C, H, W] in [0, 1]. */
import { GlobalPercError } from '../graph/index.js';
import type { Generator } from '../random/index.js';
import { sidesOf } from './augment.js';
import type { ImageTensor } from './tensor.js';

/** Makes the input from the target. */
export interface Degradation {
  /** Returns an image of the same shape and leaves the given one as it is. */
  degrade(image: ImageTensor, generator: Generator): ImageTensor;
}

/** Options of SuperResolution. */
export interface SuperResolutionOptions {
  /** Side of the squares whose pixels become one. Default 4. */
  readonly scale?: number;
}

/**
 * Detail lost to a smaller size: the mean of every scale × scale square, enlarged again bilinearly (the centres of
 * pixels aligned, the edges repeated), so that the student sees the size it shall return. The image's mean stays.
 */
export class SuperResolution implements Degradation {
  readonly scale: number;

  /** @throws GlobalPercError when the scale is not an integer above 1. */
  constructor({ scale = 4 }: SuperResolutionOptions = {}) {
    if (!Number.isInteger(scale) || scale < 2) {
      throw new GlobalPercError(
        `SuperResolution: scale should be an integer of 2 or more, got ${JSON.stringify(scale)}`,
      );
    }
    this.scale = scale;
  }

  /** @throws GlobalPercError when height or width is no multiple of the scale. */
  degrade(image: ImageTensor): ImageTensor {
    const [channels, height, width] = sidesOf(image);
    if (height % this.scale !== 0 || width % this.scale !== 0) {
      throw new GlobalPercError(
        `SuperResolution needs images whose sides are multiples of ${this.scale}, got ${height}×${width}; crop or resize them`,
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

/** Gaussian noise, independent for every value; the result is clamped to [0, 1]. */
export class Denoise implements Degradation {
  readonly sigma: number;

  /** @throws GlobalPercError when sigma is not a positive number. */
  constructor({ sigma = 0.1 }: DenoiseOptions = {}) {
    if (!Number.isFinite(sigma) || sigma <= 0) {
      throw new GlobalPercError(`Denoise: sigma should be a positive number, got ${JSON.stringify(sigma)}`);
    }
    this.sigma = sigma;
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

/** Random rectangles of the image become grey, 0.5 in all channels. */
export class Inpaint implements Degradation {
  readonly count: number;
  readonly size: readonly [number, number];

  /** @throws GlobalPercError when the count is not a positive integer, or the size not an ascending range in (0, 1]. */
  constructor({ count = 4, size = [0.1, 0.3] }: InpaintOptions = {}) {
    if (!Number.isInteger(count) || count < 1) {
      throw new GlobalPercError(`Inpaint: count should be a positive integer, got ${JSON.stringify(count)}`);
    }
    if (!(Array.isArray(size) && size.length === 2 && size[0] > 0 && size[0] <= size[1] && size[1] <= 1)) {
      throw new GlobalPercError(
        `Inpaint: size should be the least and greatest fraction of a side, such as [0.1, 0.3], got ${JSON.stringify(size)}`,
      );
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

interface Maker {
  readonly keys: readonly string[];
  readonly make: (options: object) => Degradation;
}

const MAKERS: ReadonlyMap<string, Maker> = new Map([
  ['superResolution', { keys: ['scale'], make: (options) => new SuperResolution(options) }],
  ['denoise', { keys: ['sigma'], make: (options) => new Denoise(options) }],
  ['inpaint', { keys: ['count', 'size'], make: (options) => new Inpaint(options) }],
  ['autoencode', { keys: [], make: () => new Autoencode() }],
] satisfies [string, Maker][]);

/**
 * `"autoencode"`, `{ "superResolution": { "scale": 4 } }`, `{ "denoise": { "sigma": 0.1 } }` or
 * `{ "inpaint": { "count": 4, "size": [0.1, 0.3] } }`; a name alone takes the defaults.
 * @throws GlobalPercError naming an unknown degradation or key, or an option out of range.
 */
export function degradationFromJSON(json: unknown): Degradation {
  const [[name, options] = [], ...more] = typeof json === 'string' ? [[json, {}]] : Object.entries(json ?? {});
  const maker = MAKERS.get(name as string);
  if (maker === undefined || more.length > 0) {
    throw new GlobalPercError(
      `degradation ${JSON.stringify(json)} is not known; expected one of ${[...MAKERS.keys()].join(', ')}`,
    );
  }
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new GlobalPercError(`${name}: options should be an object, got ${JSON.stringify(options)}`);
  }
  const unknown = Object.keys(options).find((key) => !maker.keys.includes(key));
  if (unknown !== undefined) {
    const known = maker.keys.length > 0 ? `known keys are ${maker.keys.join(', ')}` : 'it takes none';
    throw new GlobalPercError(`${name} has the unknown key '${unknown}'; ${known}`);
  }
  return maker.make(options);
}
