/** The levels of a conditioned U-Net (diffusers.models.unets.unet_2d_blocks). */
import { concat, type Tensor } from '../../graph/index.js';
import { Module, ModuleList } from '../../nn/index.js';
import { Downsample2D, ResnetBlock2D, Upsample2D } from './resnet.js';
import { Transformer2DModel, type TransformerOptions } from './transformer.js';

/** What a level is made of. */
export interface LevelOptions {
  /** Channels of the input of each resnet, skip connections included. */
  readonly inChannels: readonly number[];
  readonly outChannels: number;
  readonly tembChannels: number;
  readonly groups: number;
  readonly eps: number;
  /** What attends behind each resnet; nothing where it is left out. */
  readonly attention?: Omit<TransformerOptions, 'channels' | 'groups'> | undefined;
  /** Whether the level ends with a change of size. */
  readonly resample: boolean;
}

/** Resnets, and attention behind each. */
abstract class Level<Output extends Tensor | Tensor[]> extends Module<Output> {
  readonly attentions: ModuleList<Transformer2DModel> | undefined;
  readonly resnets: ModuleList<ResnetBlock2D>;

  constructor({ inChannels, outChannels, attention, ...shared }: LevelOptions) {
    super();
    const { groups } = shared;
    this.attentions =
      attention &&
      new ModuleList(inChannels.map(() => new Transformer2DModel({ ...attention, channels: outChannels, groups })));
    this.resnets = new ModuleList(
      inChannels.map((channels) => new ResnetBlock2D({ ...shared, inChannels: channels, outChannels })),
    );
  }

  /** What each resnet, with its attention, makes of what the one before made. */
  protected *layers(x: Tensor, temb: Tensor, context: Tensor, skips: readonly Tensor[] = []): Generator<Tensor> {
    let result = x;
    for (const [i, resnet] of [...this.resnets].entries()) {
      const skip = skips.at(-1 - i);
      const made = resnet(skip ? concat([result, skip], 1) : result, temb);
      result = this.attentions ? this.attentions.at(i)(made, context) : made;
      yield result;
    }
  }
}

/** `DownBlock2D`, with attention `CrossAttnDownBlock2D`: image, time, text → the outputs of all its layers. */
export class DownBlock2D extends Level<Tensor[]> {
  static readonly className = 'DownBlock2D';
  readonly downsamplers: ModuleList<Downsample2D> | undefined;

  constructor(options: LevelOptions & { readonly downsamplePadding: number }) {
    super(options);
    const { outChannels, downsamplePadding, resample } = options;
    this.downsamplers = resample ? new ModuleList([new Downsample2D(outChannels, downsamplePadding)]) : undefined;
  }

  override get className(): string {
    return this.attentions ? 'CrossAttnDownBlock2D' : 'DownBlock2D';
  }

  override forward(x: Tensor, temb: Tensor, context: Tensor): Tensor[] {
    const made = [...this.layers(x, temb, context)];
    const last = made.at(-1) as Tensor;
    return this.downsamplers ? [...made, this.downsamplers.at(0)(last)] : made;
  }
}

/** `UpBlock2D`, with attention `CrossAttnUpBlock2D`: image, time, text, skips → image. The last skip is used first. */
export class UpBlock2D extends Level<Tensor> {
  static readonly className = 'UpBlock2D';
  readonly upsamplers: ModuleList<Upsample2D> | undefined;

  constructor(options: LevelOptions) {
    super(options);
    this.upsamplers = options.resample ? new ModuleList([new Upsample2D(options.outChannels)]) : undefined;
  }

  override get className(): string {
    return this.attentions ? 'CrossAttnUpBlock2D' : 'UpBlock2D';
  }

  override forward(x: Tensor, temb: Tensor, context: Tensor, ...skips: Tensor[]): Tensor {
    const last = [...this.layers(x, temb, context, skips)].at(-1) as Tensor;
    return this.upsamplers ? this.upsamplers.at(0)(last) : last;
  }
}

/** A resnet, attention, a resnet: `[B, C, H, W]` → `[B, C, H, W]`. */
export class UNetMidBlock2DCrossAttn extends Module {
  static readonly className = 'UNetMidBlock2DCrossAttn';
  readonly attentions: ModuleList<Transformer2DModel>;
  readonly resnets: ModuleList<ResnetBlock2D>;

  constructor({
    channels,
    tembChannels,
    eps,
    ...transformer
  }: TransformerOptions & Pick<LevelOptions, 'tembChannels' | 'eps'>) {
    super();
    const { groups } = transformer;
    const resnet = { inChannels: channels, outChannels: channels, groups, eps, tembChannels };
    this.attentions = new ModuleList([new Transformer2DModel({ ...transformer, channels })]);
    this.resnets = new ModuleList([new ResnetBlock2D(resnet), new ResnetBlock2D(resnet)]);
  }

  override forward(x: Tensor, temb: Tensor, context: Tensor): Tensor {
    const attended = this.attentions.at(0)(this.resnets.at(0)(x, temb), context);
    return this.resnets.at(1)(attended, temb);
  }
}
