/** The autoencoder of Stable Diffusion (https://huggingface.co/docs/diffusers/api/models/autoencoderkl). */
import type { Tensor } from '../../graph/index.js';
import { Conv2d, GroupNorm, Module, ModuleList, SiLU, type StoredTensor } from '../../nn/index.js';
import { lazily } from '../../nn/init.js';
import { requireShape } from '../../nn/sizes.js';
import { boolean, type Checks, checkOptions, count, listOf, oneOf, positive, repeats } from '../../options/index.js';
import { each, type Off, optionsOf } from '../config.js';
import { Downsample2D, ResnetBlock2D, Upsample2D } from './resnet.js';
import { PixelAttention } from './transformer.js';

/** Options of AutoencoderKL, those of its `config.json`. The defaults are diffusers'. */
export interface AutoencoderKLOptions {
  /** Channels of images. Default 3. */
  readonly inChannels?: number;
  /** Default 3. */
  readonly outChannels?: number;
  readonly downBlockTypes?: readonly 'DownEncoderBlock2D'[];
  readonly upBlockTypes?: readonly 'UpDecoderBlock2D'[];
  /** Channels of each level. Default 64. */
  readonly blockOutChannels?: readonly number[];
  /** Resnets of a level of the encoder, one less than of the decoder. Default 1. */
  readonly layersPerBlock?: number;
  /** Default 4. */
  readonly latentChannels?: number;
  /** Default 32. */
  readonly normNumGroups?: number;
  /** What latents are multiplied by for the U-Net. Default 0.18215. */
  readonly scalingFactor?: number;
  /** Default true. */
  readonly useQuantConv?: boolean;
  /** Default true. */
  readonly usePostQuantConv?: boolean;
}

const checks: Checks<AutoencoderKLOptions> = {
  inChannels: count,
  outChannels: count,
  downBlockTypes: listOf(oneOf('DownEncoderBlock2D')),
  upBlockTypes: listOf(oneOf('UpDecoderBlock2D')),
  blockOutChannels: listOf(count),
  layersPerBlock: repeats,
  latentChannels: count,
  normNumGroups: count,
  scalingFactor: positive,
  useQuantConv: boolean,
  usePostQuantConv: boolean,
};

const LEFT_OUT: Off = { act_fn: ['silu', 'swish'], mid_block_add_attention: [true], shift_factor: [null, 0] };
const EPS = 1e-6;

/** Resnets one after the other, the first of which changes the channels. */
const resnets = (number: number, from: number, to: number, groups: number): ModuleList<ResnetBlock2D> =>
  new ModuleList(
    Array.from(
      { length: number },
      (_, i) => new ResnetBlock2D({ inChannels: i === 0 ? from : to, outChannels: to, groups, eps: EPS }),
    ),
  );

const inTurn = (modules: Iterable<Module>, x: Tensor): Tensor =>
  [...modules].reduce((result, module) => module(result), x);

class DownEncoderBlock2D extends Module {
  static readonly className = 'DownEncoderBlock2D';
  readonly resnets: ModuleList<ResnetBlock2D>;
  readonly downsamplers: ModuleList<Downsample2D> | undefined;

  constructor(number: number, from: number, to: number, groups: number, resample: boolean) {
    super();
    this.resnets = resnets(number, from, to, groups);
    this.downsamplers = resample ? new ModuleList([new Downsample2D(to, 0)]) : undefined;
  }

  override forward(x: Tensor): Tensor {
    return inTurn(this.downsamplers ?? [], inTurn(this.resnets, x));
  }
}

class UpDecoderBlock2D extends Module {
  static readonly className = 'UpDecoderBlock2D';
  readonly resnets: ModuleList<ResnetBlock2D>;
  readonly upsamplers: ModuleList<Upsample2D> | undefined;

  constructor(number: number, from: number, to: number, groups: number, resample: boolean) {
    super();
    this.resnets = resnets(number, from, to, groups);
    this.upsamplers = resample ? new ModuleList([new Upsample2D(to)]) : undefined;
  }

  override forward(x: Tensor): Tensor {
    return inTurn(this.upsamplers ?? [], inTurn(this.resnets, x));
  }
}

class UNetMidBlock2D extends Module {
  static readonly className = 'UNetMidBlock2D';
  readonly attentions: ModuleList<PixelAttention>;
  readonly resnets: ModuleList<ResnetBlock2D>;

  constructor(channels: number, groups: number) {
    super();
    this.attentions = new ModuleList([new PixelAttention(channels, groups)]);
    this.resnets = resnets(2, channels, channels, groups);
  }

  override forward(x: Tensor): Tensor {
    return this.resnets.at(1)(this.attentions.at(0)(this.resnets.at(0)(x)));
  }
}

/** What a coder begins and ends with. */
abstract class Coder extends Module {
  readonly conv_in: Conv2d;
  readonly mid_block: UNetMidBlock2D;
  readonly conv_norm_out: GroupNorm;
  readonly conv_act = new SiLU();
  readonly conv_out: Conv2d;

  constructor(from: number, first: number, middle: number, last: number, to: number, groups: number) {
    super();
    this.conv_in = new Conv2d(from, first, 3, { padding: 1 });
    this.mid_block = new UNetMidBlock2D(middle, groups);
    this.conv_norm_out = new GroupNorm(groups, last, { eps: EPS });
    this.conv_out = new Conv2d(last, to, 3, { padding: 1 });
  }

  protected ended(x: Tensor): Tensor {
    return this.conv_out(this.conv_act(this.conv_norm_out(x)));
  }
}

class Encoder extends Coder {
  static readonly className = 'Encoder';
  readonly down_blocks: ModuleList<DownEncoderBlock2D>;

  constructor(from: number, to: number, widths: readonly number[], layers: number, groups: number) {
    const [first, last] = [widths[0] as number, widths.at(-1) as number];
    super(from, first, last, last, to, groups);
    this.down_blocks = new ModuleList(
      widths.map((width, i) => {
        const before = widths[Math.max(i - 1, 0)] as number;
        return new DownEncoderBlock2D(layers, before, width, groups, i < widths.length - 1);
      }),
    );
  }

  override forward(x: Tensor): Tensor {
    return this.ended(this.mid_block(inTurn(this.down_blocks, this.conv_in(x))));
  }
}

class Decoder extends Coder {
  static readonly className = 'Decoder';
  readonly up_blocks: ModuleList<UpDecoderBlock2D>;

  constructor(from: number, to: number, widths: readonly number[], layers: number, groups: number) {
    const [first, last] = [widths[0] as number, widths.at(-1) as number];
    super(from, last, last, first, to, groups);
    const upwards = widths.toReversed();
    this.up_blocks = new ModuleList(
      upwards.map((width, i) => {
        const before = upwards[Math.max(i - 1, 0)] as number;
        return new UpDecoderBlock2D(layers + 1, before, width, groups, i < widths.length - 1);
      }),
    );
  }

  override forward(x: Tensor): Tensor {
    return this.ended(inTurn(this.up_blocks, this.mid_block(this.conv_in(x))));
  }
}

/** How files from before diffusers 0.18, such as Stable Diffusion 1.5's, name the projections of attention. */
const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/(\.attentions\.\d+)\.query\./, '$1.to_q.'],
  [/(\.attentions\.\d+)\.key\./, '$1.to_k.'],
  [/(\.attentions\.\d+)\.value\./, '$1.to_v.'],
  [/(\.attentions\.\d+)\.proj_attn\./, '$1.to_out.0.'],
];

/**
 * Images `[B, 3, H, W]` in [−1, 1] ⇄ latents: `encode` gives their mean and log-variance, `[B, 2·latentChannels, H/8, W/8]`
 * at four levels. Called, it encodes, takes the mean and decodes. Keys of its state are diffusers'; older names are read.
 */
export class AutoencoderKL extends Module {
  static readonly className = 'AutoencoderKL';
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly quant_conv: Conv2d | undefined;
  readonly post_quant_conv: Conv2d | undefined;
  readonly latentChannels: number;
  readonly scalingFactor: number;
  /** Pixels of an image along a side of a latent. */
  readonly downscale: number;
  private readonly images: number;

  /** @throws GlobalPercError on an option that is not known or out of range. */
  constructor(options: AutoencoderKLOptions = {}) {
    super();
    const checked = checkOptions(options, checks, 'AutoencoderKL');
    const { inChannels = 3, outChannels = 3, latentChannels: latent = 4, normNumGroups: groups = 32 } = checked;
    const { blockOutChannels: widths = [64], layersPerBlock = 1 } = checked;
    each(checked.downBlockTypes ?? 'DownEncoderBlock2D', widths.length, 'AutoencoderKL: downBlockTypes');
    each(checked.upBlockTypes ?? 'UpDecoderBlock2D', widths.length, 'AutoencoderKL: upBlockTypes');
    this.images = inChannels;
    this.downscale = 2 ** (widths.length - 1);
    this.latentChannels = latent;
    this.scalingFactor = checked.scalingFactor ?? 0.18215;
    this.encoder = new Encoder(inChannels, 2 * latent, widths, layersPerBlock, groups);
    this.decoder = new Decoder(latent, outChannels, widths, layersPerBlock, groups);
    this.quant_conv = (checked.useQuantConv ?? true) ? new Conv2d(2 * latent, 2 * latent, 1) : undefined;
    this.post_quant_conv = (checked.usePostQuantConv ?? true) ? new Conv2d(latent, latent, 1) : undefined;
  }

  /** Of the parsed `vae/config.json`. @throws GlobalPercError as the constructor, and for what is not offered. */
  static fromConfig(config: unknown): AutoencoderKL {
    const options = optionsOf(config, checks, LEFT_OUT, 'AutoencoderKL.fromConfig');
    return lazily(() => new AutoencoderKL(options));
  }

  /** Mean and log-variance of the latents of images, one after the other. @throws GlobalPercError on another number of channels. */
  encode(images: Tensor): Tensor {
    requireShape('AutoencoderKL.encode', images, ['B', this.images, 'H', 'W']);
    const moments = this.encoder(images);
    return this.quant_conv ? this.quant_conv(moments) : moments;
  }

  /** Images of latents. @throws GlobalPercError on another number of channels. */
  decode(latents: Tensor): Tensor {
    requireShape('AutoencoderKL.decode', latents, ['B', this.latentChannels, 'H', 'W']);
    return this.decoder(this.post_quant_conv ? this.post_quant_conv(latents) : latents);
  }

  override forward(images: Tensor): Tensor {
    return this.decode(this.encode(images).slice([1], [0], [this.latentChannels]));
  }

  protected override adaptedState(
    state: Readonly<Record<string, StoredTensor>>,
  ): Readonly<Record<string, StoredTensor>> {
    const renamed = (key: string): string =>
      RENAMED.reduce((name, [pattern, replacement]) => name.replace(pattern, replacement), key);
    return Object.fromEntries(Object.entries(state).map(([key, tensor]) => [renamed(key), tensor]));
  }
}
