/** Decoded images in no more memory than their files' precision needs. */
import type { ImageTensor } from './tensor.js';

/** A rectangle in pixels. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Samples as a decoder gives them: [H, W, 3], bytes in 0 … 255 or floats in [0, 1]. */
export interface Pixels {
  readonly samples: Uint8Array | Float32Array;
  readonly height: number;
  readonly width: number;
}

/** An image [3, H, W] whose values in [0, 1] are made when they are asked for; a crop of it makes only its own. */
export class DecodedImage implements ImageTensor {
  readonly dims: readonly [number, number, number];
  private readonly samples: Uint8Array | Float32Array;
  private whole: Float32Array | undefined;

  constructor({ samples, height, width }: Pixels) {
    this.dims = [3, height, width];
    this.samples = samples;
  }

  get data(): Float32Array {
    const [, height, width] = this.dims;
    this.whole ??= this.crop({ top: 0, left: 0, height, width }).data;
    return this.whole;
  }

  /** The part in a box that lies inside the image. */
  crop({ top, left, height, width }: Box): ImageTensor {
    const data = new Float32Array(3 * height * width);
    const area = height * width;
    const most = this.samples instanceof Uint8Array ? 255 : 1;
    for (let y = 0; y < height; y += 1) {
      const row = 3 * ((top + y) * this.dims[2] + left);
      for (let x = 0; x < width; x += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
          data[channel * area + y * width + x] = (this.samples[row + 3 * x + channel] as number) / most;
        }
      }
    }
    return { dims: [3, height, width], data };
  }
}
