/** Structural similarity of images, as losses of pixels. */
import { concat, GlobalPercError, ints, string, type Tensor } from '../graph/index.js';
import { type Checks, checkOptions, positive } from '../options/index.js';
import { reduce, requireTensors } from './distances.js';
import { PIXEL, PixelLoss, type PixelLossOptions } from './pixel-loss.js';

/** Options of SSIMLoss and MSSSIMLoss. */
export interface SSIMLossOptions extends PixelLossOptions {
  /** Largest value of an image less the smallest: 2 for images in [−1, 1], 255 for bytes. Default 1. */
  readonly dataRange?: number;
}

const SSIM: Checks<SSIMLossOptions> = { ...PIXEL, dataRange: positive };

/** Side of the window, and the standard deviation of its weights. */
const WINDOW = 11;
const SIGMA = 1.5;
/** What keeps the quotients of luminance and of contrast and structure finite, as parts of the range. */
const [K1, K2] = [0.01, 0.03];
/** Exponent of each scale, the finest first. */
const SCALE_WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/** e^(−x²/2σ²) of the distance x from the middle, with the sum 1. */
const GAUSSIAN: readonly number[] = (() => {
  const weights = Array.from({ length: WINDOW }, (_, i) => Math.exp(-((i - (WINDOW - 1) / 2) ** 2) / (2 * SIGMA ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
})();

/**
 * 1 − SSIM of images `[B, C, H, W]`, SSIM = (2μxμy + C₁)(2σxy + C₂)/((μx² + μy² + C₁)(σx² + σy² + C₂)) in a Gaussian window
 * of 11 × 11 pixels, σ 1.5, around each pixel whose window lies inside the image; C₁ = (0.01·dataRange)², C₂ =
 * (0.03·dataRange)². It is averaged over pixels and channels; `reduction` is over the images of the batch. From 0 for equal
 * images to 2 (Wang, Bovik, Sheikh and Simoncelli 2004, https://doi.org/10.1109/TIP.2003.819861).
 */
export class SSIMLoss extends PixelLoss {
  readonly dataRange: number;

  /** @throws GlobalPercError on an unknown option, or when dataRange is not positive. */
  constructor(given: SSIMLossOptions = {}) {
    const { dataRange = 1, ...options } = checkOptions(given, SSIM, new.target.name);
    super(options);
    this.dataRange = dataRange;
  }

  /** @throws GlobalPercError when the images are not `[B, C, H, W]` of at least 11 × 11 pixels. */
  override forward(input: Tensor, target: Tensor): Tensor {
    requireTensors(this, input, target);
    return reduce(this.ofImages(input, target), this.reduction);
  }

  /** `[B, 1, 1, 1]` */
  override elements(input: Tensor, target: Tensor): Tensor {
    return this.ofImages(input, target).reshape([-1, 1, 1, 1]);
  }

  /** `[B]` */
  protected ofImages(input: Tensor, target: Tensor): Tensor {
    requireSides(input, WINDOW, 'SSIMLoss');
    const { similarity } = similarities(input, target, this.dataRange);
    return similarity.mean([1]).subtractFrom(1);
  }
}

/**
 * 1 − MS-SSIM of images `[B, C, H, W]`: the product over five scales, each half the size of the one before, of the
 * mean contrast and structure (2σxy + C₂)/(σx² + σy² + C₂), at the coarsest of the mean SSIM, raised to 0.0448, 0.2856,
 * 0.3001, 0.2363 and 0.1333; windows and constants are those of `SSIMLoss`. Products are of each channel, averaged over
 * channels; `reduction` is over the images of the batch. A mean that is not positive counts as 0, and so does
 * its channel, without gradient: start far from the target with another loss. Scales are halved as the authors do it, by
 * means of 2 × 2 pixels, the last row or column of an odd side repeated
 * (Wang, Simoncelli and Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216).
 */
export class MSSSIMLoss extends SSIMLoss {
  /** @throws GlobalPercError when the images are not `[B, C, H, W]` of at least 161 × 161 pixels. */
  protected override ofImages(input: Tensor, target: Tensor): Tensor {
    requireSides(input, (WINDOW - 1) * 2 ** (SCALE_WEIGHTS.length - 1) + 1, 'MSSSIMLoss');
    let images: readonly [Tensor, Tensor] = [input, target];
    const factors = SCALE_WEIGHTS.map((weight, scale) => {
      if (scale > 0) images = [halved(images[0]), halved(images[1])];
      const { similarity, contrast } = similarities(...images, this.dataRange);
      return positivePower(scale < SCALE_WEIGHTS.length - 1 ? contrast : similarity, weight);
    });
    const product = factors.reduce((result, factor) => result.mul(factor));
    return product.mean([1]).subtractFrom(1);
  }
}

function requireSides({ shape }: Tensor, least: number, name: string): void {
  if (shape.length !== 4)
    throw new GlobalPercError(`${name} compares images [B, C, H, W], got shape [${shape}]`, {
      code: 'invalid-argument',
    });
  if (shape.slice(2).every((side) => side >= least)) return;
  throw new GlobalPercError(
    `${name} has a window of ${WINDOW} pixels and needs images of at least ${least} × ${least}, got shape [${shape}]`,
    { code: 'invalid-argument' },
  );
}

interface Similarities {
  /** SSIM of each channel `[B, C]`. */
  readonly similarity: Tensor;
  /** Its part without luminance. */
  readonly contrast: Tensor;
}

function similarities(x: Tensor, y: Tensor, dataRange: number): Similarities {
  const [c1, c2] = [(K1 * dataRange) ** 2, (K2 * dataRange) ** 2];
  const [meanX, meanY, meanSquares, meanProduct] = windowMeans([x, y, x.square().add(y.square()), x.mul(y)]);
  const squaredMeans = meanX.square().add(meanY.square());
  const productOfMeans = meanX.mul(meanY);
  const luminance = productOfMeans.mul(2).add(c1).div(squaredMeans.add(c1));
  const covariance = meanProduct.sub(productOfMeans);
  const contrast = covariance.mul(2).add(c2).div(meanSquares.sub(squaredMeans).add(c2));
  return { similarity: luminance.mul(contrast).mean([2, 3]), contrast: contrast.mean([2, 3]) };
}

type Four<T> = readonly [T, T, T, T];

/** Gaussian means of maps `[B, C, H, W]` where the window lies inside them: rows first, then columns. */
function windowMeans(maps: Four<Tensor>): Four<Tensor> {
  const [batch, channels, height, width] = maps[0].shape as Four<number>;
  const all = concat(maps, 0).reshape([-1, 1, height, width]);
  const rows = convolved(all, all.constant(GAUSSIAN, [1, 1, 1, WINDOW]));
  const means = convolved(rows, all.constant(GAUSSIAN, [1, 1, WINDOW, 1]));
  const shaped = means.reshape([maps.length * batch, channels, height - WINDOW + 1, width - WINDOW + 1]);
  return maps.map((_, i) => shaped.slice([0], [i * batch], [(i + 1) * batch])) as unknown as Four<Tensor>;
}

const convolved = (x: Tensor, kernel: Tensor): Tensor => x.graph.emit('Conv', [x, kernel])[0] as Tensor;

/** Means of 2 × 2 pixels; the last row or column of an odd side counts twice. */
function halved(x: Tensor): Tensor {
  const { graph } = x;
  const odd = [x.dim(2) % 2, x.dim(3) % 2];
  const even = odd.includes(1)
    ? (graph.emit('Pad', [x, graph.ints([0, 0, 0, 0, 0, 0, ...odd])], { mode: string('edge') })[0] as Tensor)
    : x;
  return graph.emit('AveragePool', [even], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) })[0] as Tensor;
}

/** max(x, 0)^exponent, whose gradient is 0 where x is not positive: that of the power alone would be infinite. */
function positivePower(x: Tensor, exponent: number): Tensor {
  const isPositive = x.greater(0);
  return isPositive.where(isPositive.where(x, 1).pow(exponent), 0);
}
