/** A U-Net (Ronneberger et al. 2015) for images. */
import { concat, type Tensor } from '../graph/index.js';
import { BatchNorm2d, Conv2d, MaxPool2d, Module, ModuleList, ReLU, Sequential, Upsample } from '../nn/index.js';
import { requireMultiples } from '../nn/sizes.js';
import { checkOptions, count, integer } from '../options/index.js';

/** Twice: 3×3 convolution, batch norm, ReLU. */
export class DoubleConv extends Sequential {
  static override readonly className = 'DoubleConv';

  constructor(inChannels: number, outChannels: number) {
    const convolution = (channels: number): Conv2d => new Conv2d(channels, outChannels, 3, { padding: 1, bias: false });
    super(
      ...[convolution(inChannels), new BatchNorm2d(outChannels), new ReLU()],
      ...[convolution(outChannels), new BatchNorm2d(outChannels), new ReLU()],
    );
  }
}

/** Options of UNet. */
export interface UNetOptions {
  /** How often the image is halved, at most 16 times. Default 3. */
  readonly depth?: number;
}

/**
 * `[B, inChannels, H, W]` → `[B, outChannels, H, W]`: double convolutions of width·2ⁱ channels down and up again, with
 * skip connections, max pooling, bilinear upsampling and a 1×1 convolution at the end.
 */
export class UNet extends Module {
  static readonly className = 'UNet';
  readonly down: ModuleList<DoubleConv>;
  readonly pool = new MaxPool2d(2);
  readonly middle: DoubleConv;
  readonly upsample = new Upsample({ scaleFactor: 2, mode: 'bilinear' });
  readonly up: ModuleList<DoubleConv>;
  readonly head: Conv2d;

  constructor(inChannels = 3, width = 32, outChannels = 3, options: UNetOptions = {}) {
    super();
    const { depth = 3 } = checkOptions(options, { depth: integer(0, 16) }, this.className);
    count(inChannels, `${this.className}: inChannels`);
    count(width, `${this.className}: width`);
    count(outChannels, `${this.className}: outChannels`);
    const widths = Array.from({ length: depth }, (_, level) => width * 2 ** level);
    this.down = new ModuleList(widths.map((channels, i) => new DoubleConv(widths[i - 1] ?? inChannels, channels)));
    this.middle = new DoubleConv(widths.at(-1) ?? inChannels, width * 2 ** depth);
    this.up = new ModuleList(widths.toReversed().map((channels) => new DoubleConv(3 * channels, channels)));
    this.head = new Conv2d(width, outChannels, 1);
  }

  /** @throws GlobalPercError when a side is no multiple of 2^depth. */
  override forward(x: Tensor): Tensor {
    requireMultiples(this.className, x, 2 ** this.down.length);
    const skips: Tensor[] = [];
    let features = x;
    for (const block of this.down) {
      features = block(features);
      skips.push(features);
      features = this.pool(features);
    }
    features = this.middle(features);
    for (const block of this.up) {
      features = block(concat([skips.pop() as Tensor, this.upsample(features)], 1));
    }
    return this.head(features);
  }
}
