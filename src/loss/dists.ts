/** DISTS: deep image structure and texture similarity. */
import type { Tensor } from '../graph/index.js';
import type { DownloadOptions } from '../hub/index.js';
import { checkOptions } from '../options/index.js';
import { GlobalPercConfig } from './config.js';
import type { Distance } from './distances.js';
import { constantsOf, type Network, publishedAt } from './network.js';
import { IMAGENET, NETWORK, NetworkLoss, type NetworkLossOptions } from './network-loss.js';
import { PerceptualDescription } from './perceptual-description.js';
import { PixelLoss } from './pixel-loss.js';
import { WeightedLoss } from './weighted.js';

/** Options of DISTS. */
export interface DISTSOptions extends NetworkLossOptions {
  /** VGG16's. */
  readonly weights: string | URL;
}

const VGG16: Network = {
  file: new URL('../../assets/dists.onnx', import.meta.url),
  torchvision: publishedAt('vgg16-397923af.pth'),
};

/** The last ReLU of each stage. */
const HOOKS = /^features\.(3|8|15|22|29)$/;

/** Channels of the image and of the five stages. */
const CHANNELS = [3, 64, 128, 256, 512, 512];

/**
 * 1 − Σₗ Σ꜀ (α·(2·μx·μy + c)/(μx² + μy² + c) + β·(2·σxy + c)/(σx² + σy² + c)) over the channels of the image and of five
 * stages of VGG16 with L2 pooling, μ and σ over places, c = 10⁻⁶, Σ(α + β) = 1 (Ding et al. 2020,
 * https://arxiv.org/abs/2004.07728), as PyTorch's package `dists-pytorch` computes it, and the mean over samples. Images
 * are `[B, 3, H, W]` in [0, 1].
 *
 * @example
 * const dists = await DISTS.load({ weights: 'vgg16-397923af.pth' });
 */
export class DISTS extends NetworkLoss {
  /** @throws GlobalPercError on an unknown option, and without weights. */
  constructor(given: DISTSOptions) {
    super('DISTS', VGG16, checkOptions(given, NETWORK, 'DISTS'), (model) => {
      const factors = constantsOf(model);
      const [alpha, beta] = [perLayer(factors.get('alpha') ?? []), perLayer(factors.get('beta') ?? [])];
      const distances = CHANNELS.map((_, i) => new StatisticsDistance(alpha[i] ?? [], beta[i] ?? []));
      const config = new GlobalPercConfig({
        modulesToHook: [HOOKS],
        startWeight: 1,
        endWeight: 1,
        transformNormalization: IMAGENET,
        lossFunc: ({ index }) => distances[index + 1] as Distance,
        printData: false,
      });
      const image = new Image(distances[0] as StatisticsDistance);
      return new WeightedLoss([
        [image, 1],
        [{ description: new PerceptualDescription(model, config) }, 1],
      ]).description;
    });
  }

  /**
   * DISTS with its files read and checked, which otherwise the first call does.
   * @param step Stops the download of `weights`, and is told of it.
   * @throws GlobalPercError as the constructor and `dists.load` do.
   */
  static async load(options: DISTSOptions, step: DownloadOptions = {}): Promise<DISTS> {
    return new DISTS(options).load(step);
  }
}

function perLayer(factors: readonly number[]): number[][] {
  let end = 0;
  return CHANNELS.map((channels) => {
    end += channels;
    return factors.slice(end - channels, end);
  });
}

/** The image itself, as the first layer. */
class Image extends PixelLoss {
  private readonly distance: StatisticsDistance;

  constructor(distance: StatisticsDistance) {
    super();
    this.distance = distance;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return this.distance.forward(input, target);
  }

  override elements(input: Tensor, target: Tensor): Tensor {
    return this.distance.elements(input, target);
  }
}

/** Keeps constant channels from dividing by zero. */
const C = 1e-6;

/**
 * Mean over samples of Σ꜀ (α·(1 − (2·μx·μy + c)/(μx² + μy² + c)) + β·(1 − (2·σxy + c)/(σx² + σy² + c))), written so that
 * nothing cancels out: α·(μx − μy)²/(μx² + μy² + c) + β·E[((x − μx) − (y − μy))²]/(σx² + σy² + c).
 */
export class StatisticsDistance implements Distance {
  private readonly alpha: readonly number[];
  private readonly beta: readonly number[];

  /** @param alpha weighs the means, @param beta structure: one for each channel. */
  constructor(alpha: readonly number[], beta: readonly number[]) {
    this.alpha = alpha;
    this.beta = beta;
  }

  forward(x: Tensor, y: Tensor): Tensor {
    return this.elements(x, y).mean();
  }

  /** `[B, 1, 1, 1]`: statistics have no place. */
  elements(x: Tensor, y: Tensor): Tensor {
    const average = (values: Tensor): Tensor => values.mean([2, 3], true);
    const [meanX, meanY] = [average(x), average(y)];
    const [restX, restY] = [x.sub(meanX), y.sub(meanY)];
    const means = meanX.sub(meanY).square().div(meanX.square().add(meanY.square()).add(C));
    const variances = average(restX.square()).add(average(restY.square()));
    const structure = average(restX.sub(restY).square()).div(variances.add(C));
    const weighted = (values: Tensor, factors: readonly number[]): Tensor =>
      values.mul(x.constant(factors, [1, factors.length, 1, 1]));
    return weighted(means, this.alpha).add(weighted(structure, this.beta)).sum([1], true);
  }
}
