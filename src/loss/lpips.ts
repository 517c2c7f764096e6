/** LPIPS: learned perceptual similarity of image patches. */
import type { Tensor } from '../graph/index.js';
import type { DownloadOptions } from '../hub/index.js';
import type { Model } from '../model/index.js';
import { type Checks, checkOptions, oneOf } from '../options/index.js';
import { GlobalPercConfig } from './config.js';
import { type Distance, norm } from './distances.js';
import { constantsOf, type Network, publishedAt } from './network.js';
import { IMAGENET, NETWORK, NetworkLoss, type NetworkLossOptions } from './network-loss.js';
import { PerceptualDescription } from './perceptual-description.js';

/** Options of LPIPS. */
export interface LPIPSOptions extends NetworkLossOptions {
  /** Default `'alex'`, AlexNet, whose weights come with the package; VGG16 and SqueezeNet 1.1 need `weights`. */
  readonly net?: 'alex' | 'vgg' | 'squeeze';
}

const OPTIONS: Checks<LPIPSOptions> = { ...NETWORK, net: oneOf('alex', 'vgg', 'squeeze') };

/** The networks, and the numbers of the layers that are compared. Bundlers look for files in expressions of just this form. */
const NETS: Readonly<Record<NonNullable<LPIPSOptions['net']>, Network & { readonly layers: readonly number[] }>> = {
  alex: {
    file: new URL('../../assets/lpips-alex.onnx', import.meta.url),
    layers: [1, 4, 7, 9, 11],
  },
  vgg: {
    file: new URL('../../assets/lpips-vgg.onnx', import.meta.url),
    torchvision: publishedAt('vgg16-397923af.pth'),
    layers: [3, 8, 15, 22, 29],
  },
  squeeze: {
    file: new URL('../../assets/lpips-squeeze.onnx', import.meta.url),
    torchvision: publishedAt('squeezenet1_1-b8a52dc0.pth'),
    layers: [1, 4, 7, 9, 10, 11, 12],
  },
};

/**
 * Σₗ mean over samples and places of Σ꜀ wₗ꜀·(x̂ₗ꜀ − ŷₗ꜀)², where x̂ = x/(‖x‖ + 10⁻¹⁰) over the channels of layer l and w was
 * learned from human judgements: version 0.1 of LPIPS (Zhang et al. 2018, https://arxiv.org/abs/1801.03924), as PyTorch's
 * package `lpips` computes it with `normalize=True`. Images are `[B, 3, H, W]` in [0, 1].
 *
 * @example
 * const lpips = new LPIPS(); // any Trainer takes it, too
 * const { value, grad, hooks } = await lpips.valueAndGrad(pred, target);
 */
export class LPIPS extends NetworkLoss {
  private readonly net: keyof typeof NETS;

  /** @throws GlobalPercError on an unknown option, and without the weights that `net` needs. */
  constructor(given: LPIPSOptions = {}) {
    const { net = 'alex', ...options } = checkOptions(given, OPTIONS, 'LPIPS');
    super(`LPIPS: net '${net}'`, NETS[net], options, (model) => new PerceptualDescription(model, configOf(net, model)));
    this.net = net;
  }

  /**
   * What it is made of: a GlobalPercLoss of them is this loss. With another configuration it is a variant, such as one without the
   * first layer; its `lossFunc` has learned weights for the layers of LPIPS alone.
   * @throws GlobalPercError as `load` does.
   */
  async network(step: DownloadOptions = {}): Promise<{ readonly model: Model; readonly config: GlobalPercConfig }> {
    await this.load(step);
    const model = this.loadedModel;
    return { model, config: configOf(this.net, model) };
  }

  /**
   * LPIPS with its files read and checked, which otherwise the first call does.
   * @param step Stops the download of `weights`, and is told of it.
   * @throws GlobalPercError as the constructor and `lpips.load` do.
   */
  static async load(options: LPIPSOptions = {}, step: DownloadOptions = {}): Promise<LPIPS> {
    return new LPIPS(options).load(step);
  }
}

function configOf(net: keyof typeof NETS, model: Model): GlobalPercConfig {
  const factors = constantsOf(model);
  const paths = NETS[net].layers.map((layer) => `features.${layer}`);
  return new GlobalPercConfig({
    modulesToHook: [new RegExp(`^features\\.(${NETS[net].layers.join('|')})$`)],
    startWeight: 1,
    endWeight: 1,
    transformNormalization: IMAGENET,
    lossFunc: ({ path }) => new UnitDistance(factors.get(`lin${paths.indexOf(path)}`) ?? []),
    printData: false,
  });
}

/** Keeps the division finite at places without any activation; the paper's implementation has the same. */
const EPSILON = 1e-10;

/** Mean over samples and places of Σ꜀ w꜀·(x̂꜀ − ŷ꜀)², x̂ = x/(‖x‖ + ε) over the channels. */
export class UnitDistance implements Distance {
  private readonly factors: readonly number[];

  /** @param factors One for each channel. */
  constructor(factors: readonly number[]) {
    this.factors = factors;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return this.elements(input, target).mean();
  }

  /** The weighted sum is a convolution of one channel, 1 × 1. */
  elements(input: Tensor, target: Tensor): Tensor {
    const difference = unit(input).sub(unit(target));
    const factors = input.constant(this.factors, [1, this.factors.length, 1, 1]);
    return input.graph.emit('Conv', [difference.square(), factors])[0] as Tensor;
  }
}

const unit = (x: Tensor): Tensor => x.div(norm(x, 1, true).add(EPSILON));
