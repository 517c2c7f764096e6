/** The U-Net of Stable Diffusion 1 and 2 (https://huggingface.co/docs/diffusers/api/models/unet2d-cond). */
import { concat, constantOf, GlobalPercError, type Tensor } from '../../graph/index.js';
import { Conv2d, GroupNorm, Linear, Module, ModuleList, SiLU } from '../../nn/index.js';
import { lazily } from '../../nn/init.js';
import { requireMultiples, requireShape } from '../../nn/sizes.js';
import {
  boolean,
  type Checks,
  checkOptions,
  count,
  integer,
  listOf,
  oneOf,
  positive,
  repeats,
} from '../../options/index.js';
import { each, type Off, oneOrEach, optionsOf } from '../config.js';
import { DownBlock2D, type LevelOptions, UNetMidBlock2DCrossAttn, UpBlock2D } from './unet-blocks.js';

/** Options of UNet2DConditionModel, those of its `config.json`. The defaults are diffusers'. */
export interface UNet2DConditionOptions {
  /** Channels of the latents. Default 4. */
  readonly inChannels?: number;
  /** Default 4. */
  readonly outChannels?: number;
  /** Levels from the finest on: `CrossAttnDownBlock2D` or `DownBlock2D`. */
  readonly downBlockTypes?: readonly ('CrossAttnDownBlock2D' | 'DownBlock2D')[];
  /** Levels from the coarsest on: `CrossAttnUpBlock2D` or `UpBlock2D`. */
  readonly upBlockTypes?: readonly ('CrossAttnUpBlock2D' | 'UpBlock2D')[];
  /** Channels of each level. Default 320, 640, 1280, 1280. */
  readonly blockOutChannels?: readonly number[];
  /** Resnets of a level on the way down, one less than on the way up. Default 2. */
  readonly layersPerBlock?: number;
  /** Default 1. */
  readonly downsamplePadding?: number;
  /** Default 32. */
  readonly normNumGroups?: number;
  /** Default 10⁻⁵. */
  readonly normEps?: number;
  /** Features of the text. Default 1280; 768 in Stable Diffusion 1. */
  readonly crossAttentionDim?: number;
  /** Number of heads, of all levels or each: diffusers' name is a mistake that its files have kept. Default 8. */
  readonly attentionHeadDim?: number | readonly number[];
  /** Blocks of each transformer. Default 1. */
  readonly transformerLayersPerBlock?: number;
  /** As in Stable Diffusion 2. Default false. */
  readonly useLinearProjection?: boolean;
  /** Default true. */
  readonly flipSinToCos?: boolean;
  /** Default 0. */
  readonly freqShift?: number;
}

const checks: Checks<UNet2DConditionOptions> = {
  inChannels: count,
  outChannels: count,
  downBlockTypes: listOf(oneOf('CrossAttnDownBlock2D', 'DownBlock2D')),
  upBlockTypes: listOf(oneOf('CrossAttnUpBlock2D', 'UpBlock2D')),
  blockOutChannels: listOf(count),
  layersPerBlock: repeats,
  downsamplePadding: integer(0),
  normNumGroups: count,
  normEps: positive,
  crossAttentionDim: count,
  attentionHeadDim: oneOrEach(count),
  transformerLayersPerBlock: repeats,
  useLinearProjection: boolean,
  flipSinToCos: boolean,
  freqShift: integer(0),
};

const LEFT_OUT: Off = {
  center_input_sample: [false],
  mid_block_type: ['UNetMidBlock2DCrossAttn'],
  mid_block_scale_factor: [1],
  only_cross_attention: [false],
  dual_cross_attention: [false],
  act_fn: ['silu', 'swish'],
  dropout: [0],
  num_attention_heads: [null],
  encoder_hid_dim_type: [null],
  class_embed_type: [null],
  addition_embed_type: [null],
  num_class_embeds: [null],
  resnet_time_scale_shift: ['default'],
  resnet_skip_time_act: [false],
  time_embedding_type: ['positional'],
  time_embedding_dim: [null],
  time_embedding_act_fn: [null],
  timestep_post_act: [null],
  time_cond_proj_dim: [null],
  conv_in_kernel: [3],
  conv_out_kernel: [3],
  attention_type: ['default'],
  cross_attention_norm: [null],
};

const DOWN = ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'] as const;
const UP = ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'] as const;

/** Two layers with a SiLU between them, on the waves of a timestep. */
class TimestepEmbedding extends Module {
  static readonly className = 'TimestepEmbedding';
  readonly linear_1: Linear;
  readonly act = new SiLU();
  readonly linear_2: Linear;

  constructor(channels: number, dim: number) {
    super();
    this.linear_1 = new Linear(channels, dim);
    this.linear_2 = new Linear(dim, dim);
  }

  override forward(x: Tensor): Tensor {
    return this.linear_2(this.act(this.linear_1(x)));
  }
}

/**
 * Noisy latents `[B, inChannels, H, W]`, timesteps `[B]` (or `[1]` for all, of any type of number) and text `[B, M,
 * crossAttentionDim]` → the prediction `[B, outChannels, H, W]`. Keys of its state are diffusers'.
 */
export class UNet2DConditionModel extends Module {
  static readonly className = 'UNet2DConditionModel';
  readonly conv_in: Conv2d;
  readonly time_embedding: TimestepEmbedding;
  readonly down_blocks: ModuleList<DownBlock2D>;
  readonly up_blocks: ModuleList<UpBlock2D>;
  readonly mid_block: UNetMidBlock2DCrossAttn;
  readonly conv_norm_out: GroupNorm;
  readonly conv_act = new SiLU();
  readonly conv_out: Conv2d;
  readonly inChannels: number;
  readonly crossAttentionDim: number;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  private readonly waves: number;

  /** @throws GlobalPercError on an option that is not known or out of range, and where lists have not one value for each level. */
  constructor(options: UNet2DConditionOptions = {}) {
    super();
    const checked = checkOptions(options, checks, 'UNet2DConditionModel');
    const { inChannels = 4, outChannels = 4, normNumGroups: groups = 32, normEps: eps = 1e-5 } = checked;
    const { blockOutChannels: widths = [320, 640, 1280, 1280], layersPerBlock = 2, crossAttentionDim = 1280 } = checked;
    const [first, last] = [widths[0] as number, widths.at(-1) as number];
    const tembChannels = 4 * first;
    this.inChannels = inChannels;
    this.crossAttentionDim = crossAttentionDim;
    this.flipSinToCos = checked.flipSinToCos ?? true;
    this.freqShift = checked.freqShift ?? 0;
    this.waves = first;
    this.conv_in = new Conv2d(inChannels, first, 3, { padding: 1 });
    this.time_embedding = new TimestepEmbedding(first, tembChannels);

    const heads = each(checked.attentionHeadDim ?? 8, widths.length, 'UNet2DConditionModel: attentionHeadDim');
    const transformer = {
      crossAttentionDim,
      layers: checked.transformerLayersPerBlock ?? 1,
      useLinearProjection: checked.useLinearProjection ?? false,
    };
    const level = (i: number, attends: boolean): Omit<LevelOptions, 'inChannels' | 'resample'> => ({
      ...{ outChannels: widths[i] as number, tembChannels, groups, eps },
      attention: attends ? { ...transformer, heads: heads[i] as number } : undefined,
    });
    const downTypes = each(checked.downBlockTypes ?? DOWN, widths.length, 'UNet2DConditionModel: downBlockTypes');
    const upTypes = each(checked.upBlockTypes ?? UP, widths.length, 'UNet2DConditionModel: upBlockTypes');
    const downsamplePadding = checked.downsamplePadding ?? 1;
    this.down_blocks = new ModuleList(
      downTypes.map((type, i) => {
        const own = level(i, type === 'CrossAttnDownBlock2D');
        const before = widths[Math.max(i - 1, 0)] as number;
        const inputs = Array.from({ length: layersPerBlock }, (_, j) => (j === 0 ? before : own.outChannels));
        return new DownBlock2D({ ...own, inChannels: inputs, resample: i < widths.length - 1, downsamplePadding });
      }),
    );
    this.up_blocks = new ModuleList(
      upTypes.map((type, i) => {
        const at = widths.length - 1 - i;
        const own = level(at, type === 'CrossAttnUpBlock2D');
        const [below, above] = [widths[Math.min(at + 1, widths.length - 1)], widths[Math.max(at - 1, 0)]];
        const inputs = Array.from(
          { length: layersPerBlock + 1 },
          (_, j) =>
            (j === 0 ? (below as number) : own.outChannels) +
            (j === layersPerBlock ? (above as number) : own.outChannels),
        );
        return new UpBlock2D({ ...own, inChannels: inputs, resample: at > 0 });
      }),
    );
    const middle = { channels: last, heads: heads.at(-1) as number, groups, eps, tembChannels };
    this.mid_block = new UNetMidBlock2DCrossAttn({ ...transformer, ...middle });
    this.conv_norm_out = new GroupNorm(groups, first, { eps });
    this.conv_out = new Conv2d(first, outChannels, 3, { padding: 1 });
  }

  /** Of the parsed `unet/config.json`. @throws GlobalPercError as the constructor, and for what is not offered. */
  static fromConfig(config: unknown): UNet2DConditionModel {
    const options = optionsOf(config, checks, LEFT_OUT, 'UNet2DConditionModel.fromConfig');
    return lazily(() => new UNet2DConditionModel(options));
  }

  /** @throws GlobalPercError where shapes are others, or a side is no multiple of what the levels divide it by. */
  override forward(sample: Tensor, timesteps?: Tensor, text?: Tensor): Tensor {
    const name = 'UNet2DConditionModel';
    requireShape(name, sample, ['B', this.inChannels, 'H', 'W']);
    requireMultiples(name, sample, 2 ** (this.down_blocks.length - 1));
    if (timesteps === undefined || text === undefined) {
      throw new GlobalPercError(`${name} takes latents, timesteps and text`, { code: 'invalid-argument' });
    }
    requireShape(`${name}: timesteps`, timesteps, [sample.dim(0)], [1], []);
    requireShape(`${name}: text`, text, [sample.dim(0), 'M', this.crossAttentionDim]);
    const temb = this.time_embedding(this.wavesOf(timesteps));
    const skips = [this.conv_in(sample)];
    for (const block of this.down_blocks) skips.push(...block(skips.at(-1) as Tensor, temb, text));
    let x = this.mid_block(skips.at(-1) as Tensor, temb, text);
    for (const block of this.up_blocks) x = block(x, temb, text, ...skips.splice(-block.resnets.length));
    return this.conv_out(this.conv_act(this.conv_norm_out(x)));
  }

  /** `[B]` → `[B, C]`: sines and cosines of t·10000^(−i/(C/2 − shift)), the cosines first where they are flipped. */
  private wavesOf(timesteps: Tensor): Tensor {
    const half = this.waves / 2;
    const frequencies = Array.from({ length: half }, (_, i) =>
      Math.exp((-Math.log(10000) * i) / (half - this.freqShift)),
    );
    const { graph } = timesteps;
    const angles = timesteps
      .cast('float32')
      .reshape([-1, 1])
      .mul(graph.constant(constantOf('float32', [1, half], frequencies)));
    const both = [angles.sin(), angles.cos()];
    return concat(this.flipSinToCos ? both.toReversed() : both, 1);
  }
}
