/** Transforms that look at one pixel, or hand the work on. */
import { constantOf, GlobalPercError, type Tensor } from '../graph/index.js';
import { type Draws, requireImage, type Transform } from './transform.js';

/** One transform after the other. */
export class Compose implements Transform {
  readonly transforms: readonly Transform[];

  constructor(transforms: readonly Transform[]) {
    this.transforms = transforms;
  }

  get normalizes(): boolean {
    return this.transforms.some((transform) => transform.normalizes);
  }

  apply(image: Tensor, draws: Draws): Tensor {
    return this.transforms.reduce((result, transform) => transform.apply(result, draws), image);
  }
}

/** Per-channel statistics. */
export interface NormalizeOptions {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** (x − mean)/std per channel. */
export class Normalize implements Transform {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly normalizes = true;

  /** @throws GlobalPercError when mean and std differ in length, or a std is zero. */
  constructor({ mean, std }: NormalizeOptions) {
    if (!Array.isArray(mean) || !Array.isArray(std) || mean.length !== std.length || mean.length === 0) {
      throw new GlobalPercError('Normalize: mean and std should be lists of the same length, one number per channel');
    }
    if (![...mean, ...std].every(Number.isFinite) || std.includes(0)) {
      throw new GlobalPercError(
        `Normalize: mean and std should be finite, std not zero; got mean [${mean}], std [${std}]`,
      );
    }
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

  /** @throws GlobalPercError when not every channel has its place once. */
  constructor(permutation: readonly number[]) {
    if (
      !Array.isArray(permutation) ||
      permutation.length === 0 ||
      permutation.some((_, i) => !permutation.includes(i))
    ) {
      throw new GlobalPercError(
        `PermuteChannels: the permutation should have every channel once, such as [2, 1, 0], got ${JSON.stringify(permutation)}`,
      );
    }
    this.permutation = permutation;
  }

  /** @throws GlobalPercError when the image has another number of channels. */
  apply(image: Tensor): Tensor {
    requireImage(image, 'PermuteChannels');
    if (this.permutation.length !== image.dim(1)) {
      throw new GlobalPercError(
        `PermuteChannels has ${this.permutation.length} channels, the image ${image.dim(1)} (shape [${image.shape}])`,
      );
    }
    return image.gather(image.graph.ints(this.permutation), 1);
  }
}

/** Any function on symbolic tensors. */
export class Lambda implements Transform {
  readonly transform: (image: Tensor) => Tensor;

  constructor(transform: (image: Tensor) => Tensor) {
    this.transform = transform;
  }

  apply(image: Tensor): Tensor {
    return this.transform(image);
  }
}
