/** Resizing, and moving channels into space, as layers. */
import { GlobalPercError, type Tensor } from '../../graph/index.js';
import { checkOptions, count } from '../../options/index.js';
import { interpolate, pixelShuffle, pixelUnshuffle } from '../functional/upsampling.js';
import { Module } from '../module.js';
import { type UpsampleOptions, upsampleChecks } from '../options/upsampling.js';
import { imagePattern, requireShape } from '../sizes.js';

/** Resizes the spatial axes of `[B, C, …]` (https://pytorch.org/docs/stable/generated/torch.nn.Upsample.html). */
export class Upsample extends Module {
  static readonly className: string = 'Upsample';
  readonly options: UpsampleOptions;

  /** @throws GlobalPercError when not one of size and scaleFactor is given. */
  constructor(options: UpsampleOptions) {
    super();
    this.options = checkOptions(options, upsampleChecks, this.className);
    if ((this.options.size === undefined) !== (this.options.scaleFactor === undefined)) return;
    throw new GlobalPercError(`${this.className}: one of size and scaleFactor should be given`, {
      code: 'invalid-option',
    });
  }

  /** @throws GlobalPercError when the mode, size or scaleFactor does not go with the input. */
  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }
}

/** Options of UpsamplingNearest2d and UpsamplingBilinear2d; one of both is needed. */
export type Upsampling2dOptions = Pick<UpsampleOptions, 'size' | 'scaleFactor'>;

/** What the upsamplings of images share: the options that are fixed. */
abstract class Upsampling2d extends Upsample {
  constructor(options: Upsampling2dOptions, fixed: UpsampleOptions, className: string) {
    const { size, scaleFactor } = upsampleChecks;
    super({ ...checkOptions(options, { size, scaleFactor }, className), ...fixed });
  }

  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(2));
    return super.forward(x);
  }
}

/** Repeats the elements of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.UpsamplingNearest2d.html). */
export class UpsamplingNearest2d extends Upsampling2d {
  static override readonly className = 'UpsamplingNearest2d';
  constructor(options: Upsampling2dOptions) {
    super(options, { mode: 'nearest' }, new.target.className);
  }
}

/**
 * Bilinear, the centres of the corners staying in place: `[B, C, H, W]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.UpsamplingBilinear2d.html).
 */
export class UpsamplingBilinear2d extends Upsampling2d {
  static override readonly className = 'UpsamplingBilinear2d';
  constructor(options: Upsampling2dOptions) {
    super(options, { mode: 'bilinear', alignCorners: true }, new.target.className);
  }
}

/** `[B, C·r², H, W]` → `[B, C, H·r, W·r]` (https://pytorch.org/docs/stable/generated/torch.nn.PixelShuffle.html). */
export class PixelShuffle extends Module {
  static readonly className = 'PixelShuffle';
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = count(upscaleFactor, `${this.className}: upscaleFactor`);
  }

  /** @throws GlobalPercError when r² does not divide the channels. */
  override forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.upscaleFactor);
  }
}

/** `[B, C, H·r, W·r]` → `[B, C·r², H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.PixelUnshuffle.html). */
export class PixelUnshuffle extends Module {
  static readonly className = 'PixelUnshuffle';
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = count(downscaleFactor, `${this.className}: downscaleFactor`);
  }

  /** @throws GlobalPercError when r does not divide height and width. */
  override forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.downscaleFactor);
  }
}
