/**
 * Resizing as torchvision does it (https://pytorch.org/vision/stable/generated/torchvision.transforms.v2.Resize.html), and to
 * sizes that depend on the image as image processors of transformers choose them.
 */
import { constantOf, GlobalPercError, type Tensor } from '../graph/index.js';
import { type Interpolation, interpolationMatrix } from '../ops/index.js';
import { boolean, type Check, type Checks, checkOptions, count, oneOf } from '../options/index.js';
import { requireSize, roundHalfEven, type Size, sizeOfSides } from './size.js';
import { requireImage, type Transform } from './transform.js';

/** Options of Resize. */
export interface ResizeOptions {
  /** Default `bilinear`. */
  readonly interpolation?: 'bilinear' | 'bicubic';
  /** Low-pass filter when the image shrinks. Default true. */
  readonly antialias?: boolean;
  /** With one size: the most that the longer edge may have; the shorter one then follows. */
  readonly maxSize?: number;
  /**
   * Scales both sides alike, so that the image has one side of the size: the one that changes the scale less. Needs a size
   * in pixels. Default false.
   */
  readonly keepAspectRatio?: boolean;
  /** Makes each side that comes out a multiple of it, as models of patches need. Default 1. */
  readonly ensureMultipleOf?: number;
  /** Which multiple: the nearest (of two as near the even one), the one below or the one above. Default `nearest`. */
  readonly rounding?: 'nearest' | 'down' | 'up';
}

export const RESIZE: Checks<ResizeOptions> = {
  interpolation: oneOf('bilinear', 'bicubic'),
  antialias: boolean,
  maxSize: count,
  keepAspectRatio: boolean,
  ensureMultipleOf: count,
  rounding: oneOf('nearest', 'down', 'up'),
};

/** What Resize aims at: a size, or the image's own, which `ensureMultipleOf` then changes. */
export type ResizeSize = Size | 'input';

/** Checks what Resize aims at. */
export const requireTarget: Check<ResizeSize> = (value, where) =>
  value === 'input' ? value : requireSize(value, where);

const ROUNDINGS = { nearest: roundHalfEven, down: Math.floor, up: Math.ceil };

/**
 * Resizes to [height, width], or the shorter edge to one size. Computed as one matrix product per axis.
 *
 * With `keepAspectRatio`, s = size/side is computed for both sides, and both are multiplied by the s that is nearer to 1
 * (that of the height, if both are as near); with `ensureMultipleOf` m, a side x becomes round(x/m)·m. So
 * `new Resize([518, 518], { keepAspectRatio: true, ensureMultipleOf: 14 })` is DPTImageProcessor's, and
 * `new Resize('input', { ensureMultipleOf: 32, rounding: 'down' })` GLPNImageProcessor's
 * (https://huggingface.co/docs/transformers/model_doc/dpt).
 */
export class Resize implements Transform {
  readonly size: ResizeSize;
  readonly interpolation: 'bilinear' | 'bicubic';
  readonly antialias: boolean;
  readonly maxSize: number | undefined;
  readonly keepAspectRatio: boolean;
  readonly ensureMultipleOf: number;
  readonly rounding: 'nearest' | 'down' | 'up';

  /**
   * @throws GlobalPercError on a size that is not positive, an unknown option or one out of range, a maxSize beside two
   * sizes, or keepAspectRatio beside a maxSize or without a size.
   */
  constructor(size: ResizeSize, options: ResizeOptions = {}) {
    this.size = requireTarget(size, 'Resize: size');
    const { interpolation = 'bilinear', antialias = true, maxSize, ...rest } = checkOptions(options, RESIZE, 'Resize');
    const { keepAspectRatio = false, ensureMultipleOf = 1, rounding = 'nearest' } = rest;
    if (keepAspectRatio && (size === 'input' || maxSize !== undefined)) {
      throw new GlobalPercError('Resize: keepAspectRatio needs a size in pixels, and no maxSize beside it', {
        code: 'invalid-option',
      });
    }
    if (maxSize !== undefined && typeof size !== 'number') {
      throw new GlobalPercError(`Resize: maxSize goes with one size, got the size ${JSON.stringify(size)}`, {
        code: 'invalid-option',
      });
    }
    this.maxSize = maxSize;
    this.interpolation = interpolation;
    this.antialias = antialias;
    this.keepAspectRatio = keepAspectRatio;
    this.ensureMultipleOf = ensureMultipleOf;
    this.rounding = rounding;
  }

  /** @throws GlobalPercError when the image is too small for a multiple. */
  apply(image: Tensor): Tensor {
    return this.resized(image, this.interpolation);
  }

  /** Bilinear, as bicubic weights are negative here and there. */
  geometry(plane: Tensor): Tensor {
    return this.resized(plane, 'bilinear');
  }

  private resized(image: Tensor, interpolation: 'bilinear' | 'bicubic'): Tensor {
    requireImage(image, 'Resize');
    const [height, width] = this.target(image.dim(2), image.dim(3));
    if (height === 0 || width === 0) {
      throw new GlobalPercError(
        `Resize: an image of shape [${image.shape}] becomes ${height}×${width}, as sides are multiples of ${this.ensureMultipleOf}; give a larger image`,
        { code: 'invalid-argument' },
      );
    }
    const columns = this.matrix(image, interpolation, image.dim(2), height);
    const rows = this.matrix(image, interpolation, image.dim(3), width);
    const tall = columns ? columns.matmul(image) : image;
    return rows ? tall.matmul(rows.swapAxes(0, 1)) : tall;
  }

  private target(height: number, width: number): readonly [number, number] {
    const [tall, wide] = this.keepAspectRatio ? this.likeInput(height, width) : this.aim(height, width);
    const round = (side: number): number =>
      ROUNDINGS[this.rounding](side / this.ensureMultipleOf) * this.ensureMultipleOf;
    return [round(tall), round(wide)];
  }

  /** Both sides times the scale that is nearer to 1. */
  private likeInput(height: number, width: number): readonly [number, number] {
    const [tall, wide] = sizeOfSides(this.size as Size, 'Resize');
    const [byHeight, byWidth] = [tall / height, wide / width];
    const scale = Math.abs(1 - byWidth) < Math.abs(1 - byHeight) ? byWidth : byHeight;
    return [scale * height, scale * width];
  }

  /** One size is that of the shorter edge; the other follows, rounded down. */
  private aim(height: number, width: number): readonly [number, number] {
    if (this.size === 'input') return [height, width];
    if (typeof this.size !== 'number') return this.size;
    const most = this.maxSize ?? Number.POSITIVE_INFINITY;
    const free = Math.floor((this.size * Math.max(height, width)) / Math.min(height, width));
    const [shorter, longer] = free > most ? [Math.floor((most * this.size) / free), most] : [this.size, free];
    return height <= width ? [shorter, longer] : [longer, shorter];
  }

  private matrix(
    { graph, dtype }: Tensor,
    interpolation: 'bilinear' | 'bicubic',
    from: number,
    to: number,
  ): Tensor | undefined {
    if (from === to) return undefined;
    const options: Interpolation = {
      mode: interpolation === 'bilinear' ? 'linear' : 'cubic',
      coordinates: 'half_pixel',
      ...(this.antialias ? { antialias: true, excludeOutside: true, cubicA: -0.5 } : { cubicA: -0.75 }),
    };
    return graph.constant(constantOf(dtype, [to, from], interpolationMatrix(options, from, to)));
  }
}
