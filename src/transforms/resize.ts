/** Resizing as torchvision does it (https://pytorch.org/vision/stable/generated/torchvision.transforms.v2.Resize.html). */
import { constantOf, GlobalPercError, type Tensor } from '../graph/index.js';
import { type Interpolation, interpolationMatrix } from '../ops/index.js';
import { boolean, type Checks, checkOptions, count, oneOf } from '../options/index.js';
import { type Size, sizeOfSides } from './size.js';
import { requireImage, type Transform } from './transform.js';

/** Options of Resize. */
export interface ResizeOptions {
  /** Default `bilinear`. */
  readonly interpolation?: 'bilinear' | 'bicubic';
  /** Low-pass filter when the image shrinks. Default true. */
  readonly antialias?: boolean;
  /** With one size: the most that the longer edge may have; the shorter one then follows. */
  readonly maxSize?: number;
}

export const RESIZE: Checks<ResizeOptions> = {
  interpolation: oneOf('bilinear', 'bicubic'),
  antialias: boolean,
  maxSize: count,
};

/** Resizes to [height, width], or the shorter edge to one size. Computed as one matrix product per axis. */
export class Resize implements Transform {
  readonly size: Size;
  readonly interpolation: 'bilinear' | 'bicubic';
  readonly antialias: boolean;
  readonly maxSize: number | undefined;

  /** @throws GlobalPercError on a size that is not positive, an unknown option, or a maxSize beside two sizes. */
  constructor(size: Size, options: ResizeOptions = {}) {
    sizeOfSides(size, 'Resize');
    const { interpolation = 'bilinear', antialias = true, maxSize } = checkOptions(options, RESIZE, 'Resize');
    if (maxSize !== undefined && typeof size !== 'number') {
      throw new GlobalPercError(`Resize: maxSize goes with one size, got the size [${size.join(', ')}]`, {
        code: 'invalid-option',
      });
    }
    this.maxSize = maxSize;
    this.size = size;
    this.interpolation = interpolation;
    this.antialias = antialias;
  }

  apply(image: Tensor): Tensor {
    requireImage(image, 'Resize');
    const [height, width] = this.target(image.dim(2), image.dim(3));
    const columns = this.matrix(image, image.dim(2), height);
    const rows = this.matrix(image, image.dim(3), width);
    const tall = columns ? columns.matmul(image) : image;
    return rows ? tall.matmul(rows.swapAxes(0, 1)) : tall;
  }

  /** One size is that of the shorter edge; the other follows, rounded down. */
  private target(height: number, width: number): readonly [number, number] {
    if (typeof this.size !== 'number') return this.size;
    const most = this.maxSize ?? Number.POSITIVE_INFINITY;
    const free = Math.floor((this.size * Math.max(height, width)) / Math.min(height, width));
    const [shorter, longer] = free > most ? [Math.floor((most * this.size) / free), most] : [this.size, free];
    return height <= width ? [shorter, longer] : [longer, shorter];
  }

  private matrix({ graph, dtype }: Tensor, from: number, to: number): Tensor | undefined {
    if (from === to) return undefined;
    const options: Interpolation = {
      mode: this.interpolation === 'bilinear' ? 'linear' : 'cubic',
      coordinates: 'half_pixel',
      ...(this.antialias ? { antialias: true, excludeOutside: true, cubicA: -0.5 } : { cubicA: -0.75 }),
    };
    return graph.constant(constantOf(dtype, [to, from], interpolationMatrix(options, from, to)));
  }
}
