/** Transforms that look at one pixel, or hand the work on. */
import { constantOf, GlobalPercError, type Tensor } from '../graph/index.js';
import {
  type Checks,
  callback,
  checkOptions,
  integer,
  listOf,
  matching,
  number,
  refused,
  required,
} from '../options/index.js';
import { type Draws, geometryOf, inPlace, isTransform, requireImage, type Transform } from './transform.js';

/** One transform after the other. */
export class Compose implements Transform {
  readonly transforms: readonly Transform[];

  /** @throws GlobalPercError when one of them is no transform. */
  constructor(transforms: readonly Transform[]) {
    this.transforms = listOf(isTransform)(transforms, 'Compose: transforms');
  }

  get normalizes(): boolean {
    return this.transforms.some((transform) => transform.normalizes);
  }

  apply(image: Tensor, draws: Draws): Tensor {
    return this.transforms.reduce((result, transform) => transform.apply(result, draws), image);
  }

  /** @throws GlobalPercError when one of them does not tell its own. */
  geometry(plane: Tensor, draws: Draws): Tensor {
    return this.transforms.reduce((result, transform) => geometryOf(transform, result, draws), plane);
  }
}

/** Per-channel statistics. */
export interface NormalizeOptions {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const numbers = required(listOf(number()));
export const NORMALIZE: Checks<NormalizeOptions> = { mean: numbers, std: numbers };

/** (x − mean)/std per channel. */
export class Normalize implements Transform {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly normalizes = true;
  readonly geometry = inPlace;

  /** @throws GlobalPercError when mean and std differ in length, or a std is zero. */
  constructor(options: NormalizeOptions) {
    const { mean, std } = checkOptions(options, NORMALIZE, 'Normalize');
    if (mean.length !== std.length || mean.length === 0) {
      throw new GlobalPercError(
        `Normalize: mean and std should have one number per channel each, got ${mean.length} and ${std.length}`,
        { code: 'invalid-option' },
      );
    }
    if (std.includes(0)) throw refused('Normalize: std', 'without zeros', std);
    this.mean = mean;
    this.std = std;
  }

  /** @throws GlobalPercError when the image has another number of channels. */
  apply(image: Tensor): Tensor {
    requireImage(image, 'Normalize');
    const channels = image.dim(1);
    if (this.mean.length !== 1 && this.mean.length !== channels) {
      throw new GlobalPercError(
        `Normalize has ${this.mean.length} means, the image ${channels} channels (shape [${image.shape}])`,
        { code: 'invalid-argument' },
      );
    }
    const perChannel = (values: readonly number[]): Tensor =>
      image.graph.constant(constantOf(image.dtype, [1, values.length, 1, 1], values));
    return image.sub(perChannel(this.mean)).mul(perChannel(this.std.map((value) => 1 / value)));
  }
}

/** Reorders the channels, e.g. [2, 1, 0] for models that expect BGR. */
export class PermuteChannels implements Transform {
  readonly permutation: readonly number[];
  readonly geometry = inPlace;

  /** @throws GlobalPercError when not every channel has its place once. */
  constructor(permutation: readonly number[]) {
    const channels = listOf(integer(0))(permutation, 'PermuteChannels: permutation');
    if (channels.length === 0 || channels.some((_, i) => !channels.includes(i))) {
      throw refused('PermuteChannels: permutation', 'every channel once, such as [2, 1, 0]', permutation);
    }
    this.permutation = permutation;
  }

  /** @throws GlobalPercError when the image has another number of channels. */
  apply(image: Tensor): Tensor {
    requireImage(image, 'PermuteChannels');
    if (this.permutation.length !== image.dim(1)) {
      throw new GlobalPercError(
        `PermuteChannels has ${this.permutation.length} channels, the image ${image.dim(1)} (shape [${image.shape}])`,
        { code: 'invalid-argument' },
      );
    }
    return image.gather(image.graph.ints(this.permutation), 1);
  }
}

/** Options of Grayscale. */
export interface GrayscaleOptions {
  /** 1, or 3 equal ones for models that expect RGB. Default 1. */
  readonly numOutputChannels?: 1 | 3;
}

export const GRAYSCALE: Checks<GrayscaleOptions> = { numOutputChannels: matching(isOneOrThree, '1 or 3') };

function isOneOrThree(value: unknown): value is 1 | 3 {
  return value === 1 || value === 3;
}

/** Weights of red, green and blue in the luma of ITU-R BT.601, rounded as torchvision has them. */
const LUMA = [0.2989, 0.587, 0.114];

/**
 * The luma 0.2989 R + 0.587 G + 0.114 B of an image with three channels, and an image with one as it is, in `numOutputChannels`
 * equal channels (https://pytorch.org/vision/stable/generated/torchvision.transforms.v2.Grayscale.html).
 */
export class Grayscale implements Transform {
  readonly numOutputChannels: 1 | 3;
  readonly geometry = inPlace;

  /** @throws GlobalPercError on an unknown option, and a number of channels other than 1 and 3. */
  constructor(options: GrayscaleOptions = {}) {
    this.numOutputChannels = checkOptions(options, GRAYSCALE, 'Grayscale').numOutputChannels ?? 1;
  }

  /** @throws GlobalPercError when the image has neither 1 nor 3 channels. */
  apply(image: Tensor): Tensor {
    requireImage(image, 'Grayscale');
    const channels = image.dim(1);
    if (!isOneOrThree(channels)) {
      throw new GlobalPercError(`Grayscale takes images with 1 or 3 channels, got shape [${image.shape}]`, {
        code: 'invalid-argument',
      });
    }
    const grey = channels === 1 ? image : image.mul(image.constant(LUMA, [1, 3, 1, 1])).sum([1], true);
    return grey.expand(image.shape.with(1, this.numOutputChannels));
  }
}

/** Options of Lambda. */
export interface LambdaOptions {
  /** What it does to places, as in `Transform`; `(plane) => plane` for a function of colours. */
  readonly geometry?: NonNullable<Transform['geometry']>;
}

const LAMBDA: Checks<LambdaOptions> = { geometry: callback };

/** Any function on symbolic tensors. */
export class Lambda implements Transform {
  /** The function: an image `[B, C, H, W]` to another. */
  readonly transform: (image: Tensor) => Tensor;
  readonly geometry?: NonNullable<Transform['geometry']>;

  /** @throws GlobalPercError when it is no function, or on an unknown option. */
  constructor(transform: (image: Tensor) => Tensor, options: LambdaOptions = {}) {
    this.transform = callback(transform, 'Lambda: transform');
    const { geometry } = checkOptions(options, LAMBDA, 'Lambda');
    if (geometry) this.geometry = geometry;
  }

  apply(image: Tensor): Tensor {
    return this.transform(image);
  }
}
