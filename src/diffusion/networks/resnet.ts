/** Convolutional parts of diffusers' networks, under its names (diffusers.models.resnet). */
import type { Tensor } from '../../graph/index.js';
import { Conv2d, functional, GroupNorm, Linear, Module, SiLU } from '../../nn/index.js';

/** What ResnetBlock2D is made of. */
export interface ResnetOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Groups of the norms. */
  readonly groups: number;
  readonly eps: number;
  /** Features of the time embedding; none where there is no time. */
  readonly tembChannels?: number | undefined;
}

/** x + conv2(silu(norm2(conv1(silu(norm1 x)) + time))): `[B, in, H, W]`, `[B, temb]` → `[B, out, H, W]`. */
export class ResnetBlock2D extends Module {
  static readonly className = 'ResnetBlock2D';
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly time_emb_proj: Linear | undefined;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  readonly nonlinearity = new SiLU();
  readonly conv_shortcut: Conv2d | undefined;

  constructor({ inChannels, outChannels, groups, eps, tembChannels }: ResnetOptions) {
    super();
    this.norm1 = new GroupNorm(groups, inChannels, { eps });
    this.conv1 = new Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.time_emb_proj = tembChannels === undefined ? undefined : new Linear(tembChannels, outChannels);
    this.norm2 = new GroupNorm(groups, outChannels, { eps });
    this.conv2 = new Conv2d(outChannels, outChannels, 3, { padding: 1 });
    this.conv_shortcut = inChannels === outChannels ? undefined : new Conv2d(inChannels, outChannels, 1);
  }

  override forward(x: Tensor, temb?: Tensor): Tensor {
    const hidden = this.conv1(this.nonlinearity(this.norm1(x)));
    const timed =
      this.time_emb_proj && temb ? hidden.add(this.time_emb_proj(this.nonlinearity(temb)).unsqueeze([2, 3])) : hidden;
    const result = this.conv2(this.nonlinearity(this.norm2(timed)));
    return (this.conv_shortcut ? this.conv_shortcut(x) : x).add(result);
  }
}

/** `[B, C, H, W]` → `[B, C, ⌈H/2⌉, ⌈W/2⌉]`; with padding 0, one row and one column are added behind the image. */
export class Downsample2D extends Module {
  static readonly className = 'Downsample2D';
  readonly conv: Conv2d;
  readonly padding: number;

  constructor(channels: number, padding: number) {
    super();
    this.padding = padding;
    this.conv = new Conv2d(channels, channels, 3, { stride: 2, padding });
  }

  override forward(x: Tensor): Tensor {
    return this.conv(this.padding === 0 ? functional.pad(x, [0, 1, 0, 1]) : x);
  }
}

/** `[B, C, H, W]` → `[B, C, 2H, 2W]`: each pixel four times, then a convolution. */
export class Upsample2D extends Module {
  static readonly className = 'Upsample2D';
  readonly conv: Conv2d;

  constructor(channels: number) {
    super();
    this.conv = new Conv2d(channels, channels, 3, { padding: 1 });
  }

  override forward(x: Tensor): Tensor {
    return this.conv(functional.interpolate(x, { scaleFactor: 2, mode: 'nearest' }));
  }
}
