/** The demo's student and its task, without files: the page trains it, too. */
import { crop, type ImageTensor, type Sample, SuperResolution } from '../data/browser.js';
import {
  type Generator,
  GlobalPercConfig,
  type GlobalPercLoss,
  models,
  NormalizedTensorLoss,
  nn,
  type Objective,
  optim,
  type Tensor,
  transforms,
} from '../index.js';

/** Sides of the pictures the student is trained on, in pixels. */
export const SIDE = 64;
/** A pair's target is moved by up to this many pixels in each direction. */
const JITTER = 2;
export const DEGRADATION = new SuperResolution({ scale: 2 });

/** Side of the part of a photograph that a pair is cut from. */
export const WIDE = SIDE + 2 * JITTER;

const square = (image: ImageTensor, top: number, left: number): ImageTensor =>
  crop(image, { top, left, height: SIDE, width: SIDE });

/**
 * A pair to learn from. Input: half the resolution. Target: the full one, seen a little off – as by a second camera.
 * @param wide `[3, WIDE, WIDE]`.
 */
export function misaligned(wide: ImageTensor, generator: Generator): Sample & { readonly input: ImageTensor } {
  const input = DEGRADATION.degrade(square(wide, JITTER, JITTER));
  const places = 2 * JITTER + 1;
  return { input, target: square(wide, generator.integer(places), generator.integer(places)) };
}

/** A small U-Net that adds to its input; it starts by adding nothing. */
export class Restorer extends nn.Module {
  readonly unet = new models.UNet(3, 16, 3, { depth: 2 });

  constructor() {
    super();
    const { weight, bias } = this.unet.head;
    for (const parameter of [weight, bias]) if (parameter) nn.init.zeros(parameter);
  }

  override forward(x: Tensor): Tensor {
    return x.add(this.unet(x));
  }
}

/** AdamW with a short warm-up and a cosine. */
export function optimizerFor(steps: number): optim.Optimizer {
  const { CosineAnnealingLR, LinearLR, SequentialLR } = optim.lrScheduler;
  const warmUp = Math.max(1, Math.round(steps / 10));
  const schedule = new SequentialLR(
    [
      new LinearLR({ startFactor: 0.04, totalIters: warmUp }),
      new CosineAnnealingLR({ tMax: Math.max(1, steps - warmUp) }),
    ],
    [warmUp],
  );
  return new optim.AdamW({ lr: 2e-3, weightDecay: 1e-4, schedule });
}

/** AlexNet's activations after each ReLU, all weighing the same. */
export const perceptualConfig = (): GlobalPercConfig =>
  new GlobalPercConfig({
    modulesToHook: [nn.ReLU],
    startWeight: 1,
    endWeight: 1,
    transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
    lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
    printData: false,
  });

/**
 * The loss with the perceptual one added. L1 stays beside it, as about a third of the sum: without it, fine bright and dark lines run
 * along edges (GMSD 0.0148, PSNR 29.95 dB).
 */
export const withL1 = (perceptual: GlobalPercLoss): Objective =>
  new nn.WeightedLoss([
    [new nn.L1Loss(), 20],
    [perceptual, 1],
  ]);
