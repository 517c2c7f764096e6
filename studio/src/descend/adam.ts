/** Adam on the pixels of an image (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980), which stay in [0, 1]. */

const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];

export class PixelAdam {
  private readonly mean: Float32Array;
  private readonly square: Float32Array;
  private steps = 0;

  constructor(size: number) {
    this.mean = new Float32Array(size);
    this.square = new Float32Array(size);
  }

  /** x − lr · m̂ / (√v̂ + ε), as a new array. */
  next(pixels: Float32Array, gradient: ArrayLike<number>, lr: number): Float32Array {
    this.steps += 1;
    const [unbiased1, unbiased2] = [1 - BETA1 ** this.steps, 1 - BETA2 ** this.steps];
    return pixels.map((pixel, i) => {
      const slope = gradient[i] as number;
      const mean = BETA1 * (this.mean[i] as number) + (1 - BETA1) * slope;
      const square = BETA2 * (this.square[i] as number) + (1 - BETA2) * slope * slope;
      this.mean[i] = mean;
      this.square[i] = square;
      const moved = pixel - (lr * (mean / unbiased1)) / (Math.sqrt(square / unbiased2) + EPSILON);
      return Math.min(1, Math.max(0, moved));
    });
  }
}
