/** TAESD, the tiny autoencoder (https://huggingface.co/docs/diffusers/api/models/autoencoder_tiny). */
import type { Tensor } from '../../graph/index.js';
import { Conv2d, Identity, Module, ReLU, Sequential, Upsample } from '../../nn/index.js';
import { lazily } from '../../nn/init.js';
import { requireShape } from '../../nn/sizes.js';
import { type Checks, checkOptions, count, integer, listOf, number } from '../../options/index.js';
import { each, type Off, optionsOf } from '../config.js';

/** Options of AutoencoderTiny, those of its `config.json`. The defaults are diffusers'. */
export interface AutoencoderTinyOptions {
  /** Channels of images. Default 3. */
  readonly inChannels?: number;
  /** Default 3. */
  readonly outChannels?: number;
  /** Default 4. */
  readonly latentChannels?: number;
  /** Default 64 at each of four levels. */
  readonly encoderBlockOutChannels?: readonly number[];
  /** Default 64 at each of four levels. */
  readonly decoderBlockOutChannels?: readonly number[];
  /** Default 1, 3, 3, 3. */
  readonly numEncoderBlocks?: readonly number[];
  /** Default 3, 3, 3, 1. */
  readonly numDecoderBlocks?: readonly number[];
  /** Default 2. */
  readonly upsamplingScalingFactor?: number;
  /** What latents are multiplied by for the U-Net. Default 1. */
  readonly scalingFactor?: number;
}

const checks: Checks<AutoencoderTinyOptions> = {
  inChannels: count,
  outChannels: count,
  latentChannels: count,
  encoderBlockOutChannels: listOf(count),
  decoderBlockOutChannels: listOf(count),
  numEncoderBlocks: listOf(integer(0)),
  numDecoderBlocks: listOf(integer(0)),
  upsamplingScalingFactor: count,
  scalingFactor: number({ above: 0 }),
};

const LEFT_OUT: Off = { act_fn: ['relu'], upsample_fn: ['nearest'] };

const conv = (from: number, to: number, options: { stride?: number; bias?: boolean } = {}): Conv2d =>
  new Conv2d(from, to, 3, { padding: 1, ...options });

/** relu(x + three convolutions): `[B, C, H, W]` → `[B, C, H, W]`. */
class AutoencoderTinyBlock extends Module {
  static readonly className = 'AutoencoderTinyBlock';
  readonly conv: Sequential;
  readonly skip = new Identity();
  readonly fuse = new ReLU();

  constructor(channels: number) {
    super();
    const [first, second, third] = [0, 1, 2].map(() => conv(channels, channels)) as [Conv2d, Conv2d, Conv2d];
    this.conv = new Sequential(first, new ReLU(), second, new ReLU(), third);
  }

  override forward(x: Tensor): Tensor {
    return this.fuse(this.conv(x).add(this.skip(x)));
  }
}

const blocks = (number: number, channels: number): Module[] =>
  Array.from({ length: number }, () => new AutoencoderTinyBlock(channels));

/** Images in [−1, 1] → latents. */
class EncoderTiny extends Module {
  static readonly className = 'EncoderTiny';
  readonly layers: Sequential;

  constructor(images: number, latents: number, numbers: readonly number[], widths: readonly number[]) {
    super();
    const levels = numbers.flatMap((number, i) => {
      const width = widths[i] as number;
      return [i === 0 ? conv(images, width) : conv(width, width, { stride: 2, bias: false }), ...blocks(number, width)];
    });
    this.layers = new Sequential(...levels, conv(widths.at(-1) as number, latents));
  }

  override forward(x: Tensor): Tensor {
    return this.layers(x.add(1).div(2));
  }
}

/** Latents → images in [−1, 1]. */
class DecoderTiny extends Module {
  static readonly className = 'DecoderTiny';
  readonly layers: Sequential;

  constructor(latents: number, images: number, numbers: readonly number[], widths: readonly number[], scale: number) {
    super();
    const levels = numbers.flatMap((number, i): Module[] => {
      const width = widths[i] as number;
      const ending =
        i < numbers.length - 1
          ? [new Upsample({ scaleFactor: scale }), conv(width, width, { bias: false })]
          : [conv(width, images)];
      return [...blocks(number, width), ...ending];
    });
    this.layers = new Sequential(conv(latents, widths[0] as number), new ReLU(), ...levels);
  }

  override forward(x: Tensor): Tensor {
    return this.layers(x.div(3).tanh().mul(3)).mul(2).sub(1);
  }
}

/** Images `[B, 3, H, W]` in [−1, 1] ⇄ latents `[B, 4, H/8, W/8]`; called, it encodes and decodes. Keys of its state are diffusers'. */
export class AutoencoderTiny extends Module {
  static readonly className = 'AutoencoderTiny';
  readonly encoder: EncoderTiny;
  readonly decoder: DecoderTiny;
  readonly scalingFactor: number;
  /** Pixels of an image along a side of a latent. */
  readonly downscale: number;
  private readonly channels: readonly [images: number, latents: number];

  /** @throws GlobalPercError on an option that is not known or out of range, and where lists have not one length. */
  constructor(options: AutoencoderTinyOptions = {}) {
    super();
    const checked = checkOptions(options, checks, 'AutoencoderTiny');
    const { inChannels = 3, outChannels = 3, latentChannels = 4, upsamplingScalingFactor = 2 } = checked;
    const { encoderBlockOutChannels = [64, 64, 64, 64], decoderBlockOutChannels = [64, 64, 64, 64] } = checked;
    const numbers = (given: readonly number[], widths: readonly number[], name: string): readonly number[] =>
      each(given, widths.length, `AutoencoderTiny: ${name}`);
    const encoding = numbers(checked.numEncoderBlocks ?? [1, 3, 3, 3], encoderBlockOutChannels, 'numEncoderBlocks');
    const decoding = numbers(checked.numDecoderBlocks ?? [3, 3, 3, 1], decoderBlockOutChannels, 'numDecoderBlocks');
    this.scalingFactor = checked.scalingFactor ?? 1;
    this.channels = [inChannels, latentChannels];
    this.downscale = 2 ** (encoderBlockOutChannels.length - 1);
    this.encoder = new EncoderTiny(inChannels, latentChannels, encoding, encoderBlockOutChannels);
    this.decoder = new DecoderTiny(
      latentChannels,
      outChannels,
      decoding,
      decoderBlockOutChannels,
      upsamplingScalingFactor,
    );
  }

  /** Of the parsed `vae/config.json`. @throws GlobalPercError as the constructor, and for what is not offered. */
  static fromConfig(config: unknown): AutoencoderTiny {
    const options = optionsOf(config, checks, LEFT_OUT, 'AutoencoderTiny.fromConfig');
    return lazily(() => new AutoencoderTiny(options));
  }

  /** Latents of images. @throws GlobalPercError on another number of channels. */
  encode(images: Tensor): Tensor {
    requireShape('AutoencoderTiny.encode', images, ['B', this.channels[0], 'H', 'W']);
    return this.encoder(images);
  }

  /** Images of latents. @throws GlobalPercError on another number of channels. */
  decode(latents: Tensor): Tensor {
    requireShape('AutoencoderTiny.decode', latents, ['B', this.channels[1], 'H', 'W']);
    return this.decoder(latents);
  }

  override forward(images: Tensor): Tensor {
    return this.decode(this.encode(images));
  }
}
