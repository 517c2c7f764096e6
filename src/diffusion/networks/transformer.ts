/** Attention of diffusers' networks, under its names (diffusers.models.attention). */
import type { Tensor } from '../../graph/index.js';
import { Conv2d, Dropout, functional, GroupNorm, LayerNorm, Linear, Module, ModuleList } from '../../nn/index.js';
import { requireDivisor, requireShape, reshapeBehind } from '../../nn/sizes.js';

/** What Attention is made of. */
export interface AttentionOptions {
  /** Features of queries and outputs. */
  readonly queryDim: number;
  /** Features of keys and values. Default those of the queries. */
  readonly crossAttentionDim?: number | undefined;
  readonly heads: number;
  /** Whether the projections of queries, keys and values have one. */
  readonly bias: boolean;
}

/** Attention of queries `[B, N, D]` to keys and values `[B, M, D]`, by heads: `[B, N, D]`. */
export function mixedHeads(
  projected: readonly [q: Tensor, k: Tensor, v: Tensor],
  heads: number,
  options: { readonly isCausal?: boolean } = {},
): Tensor {
  const split = (x: Tensor): Tensor => reshapeBehind(x, 2, [heads, -1]).swapAxes(1, 2);
  const [q, k, v] = projected.map(split) as [Tensor, Tensor, Tensor];
  const mixed = functional.scaledDotProductAttention(q, k, v, options).swapAxes(1, 2);
  return reshapeBehind(mixed, 2, [projected[0].dim(-1)]);
}

/** `[B, N, queryDim]`, `[B, M, crossAttentionDim]` → `[B, N, queryDim]`; without a second input, of itself. */
export class Attention extends Module {
  static readonly className: string = 'Attention';
  readonly to_q: Linear;
  readonly to_k: Linear;
  readonly to_v: Linear;
  readonly to_out: ModuleList;
  readonly heads: number;

  /** @throws GlobalPercError when the heads do not divide the features. */
  constructor({ queryDim, crossAttentionDim = queryDim, heads, bias }: AttentionOptions) {
    super();
    requireDivisor('Attention', heads, 'heads', `${queryDim} features`, queryDim);
    this.heads = heads;
    this.to_q = new Linear(queryDim, queryDim, { bias });
    this.to_k = new Linear(crossAttentionDim, queryDim, { bias });
    this.to_v = new Linear(crossAttentionDim, queryDim, { bias });
    this.to_out = new ModuleList<Module>([new Linear(queryDim, queryDim), new Dropout(0)]);
  }

  override forward(x: Tensor, context: Tensor = x): Tensor {
    const mixed = mixedHeads([this.to_q(x), this.to_k(context), this.to_v(context)], this.heads);
    return [...this.to_out].reduce((result, module) => module(result), mixed);
  }
}

/** `[…, in]` → `[…, out]`: a·gelu(b), a and b being the halves of a projection (Shazeer 2020). */
export class GEGLU extends Module {
  static readonly className = 'GEGLU';
  readonly proj: Linear;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.proj = new Linear(inFeatures, 2 * outFeatures);
  }

  override forward(x: Tensor): Tensor {
    const both = this.proj(x);
    const half = both.dim(-1) / 2;
    const gate = both.slice([-1], [half], [2 * half]);
    return both.slice([-1], [0], [half]).mul(functional.gelu(gate));
  }
}

/** `[…, dim]` → `[…, 4·dim]` → `[…, dim]`. */
export class FeedForward extends Module {
  static readonly className = 'FeedForward';
  readonly net: ModuleList;

  constructor(dim: number) {
    super();
    this.net = new ModuleList<Module>([new GEGLU(dim, 4 * dim), new Dropout(0), new Linear(4 * dim, dim)]);
  }

  override forward(x: Tensor): Tensor {
    return [...this.net].reduce((result, module) => module(result), x);
  }
}

/** Self-attention, attention to the text, and a feed-forward network, each behind a norm and added to what came. */
export class BasicTransformerBlock extends Module {
  static readonly className = 'BasicTransformerBlock';
  readonly norm1: LayerNorm;
  readonly attn1: Attention;
  readonly norm2: LayerNorm;
  readonly attn2: Attention;
  readonly norm3: LayerNorm;
  readonly ff: FeedForward;

  constructor(dim: number, heads: number, crossAttentionDim: number) {
    super();
    this.norm1 = new LayerNorm(dim);
    this.attn1 = new Attention({ queryDim: dim, heads, bias: false });
    this.norm2 = new LayerNorm(dim);
    this.attn2 = new Attention({ queryDim: dim, crossAttentionDim, heads, bias: false });
    this.norm3 = new LayerNorm(dim);
    this.ff = new FeedForward(dim);
  }

  override forward(x: Tensor, context: Tensor): Tensor {
    const own = x.add(this.attn1(this.norm1(x)));
    const told = own.add(this.attn2(this.norm2(own), context));
    return told.add(this.ff(this.norm3(told)));
  }
}

/** What Transformer2DModel is made of. */
export interface TransformerOptions {
  readonly channels: number;
  readonly heads: number;
  readonly crossAttentionDim: number;
  /** Groups of the norm. */
  readonly groups: number;
  /** Number of blocks. */
  readonly layers: number;
  /** Whether `proj_in` and `proj_out` are Linear, as in Stable Diffusion 2, or 1×1 convolutions. */
  readonly useLinearProjection: boolean;
}

/** The pixels of `[B, C, H, W]` as tokens that see each other and the text `[B, M, crossAttentionDim]`. */
export class Transformer2DModel extends Module {
  static readonly className = 'Transformer2DModel';
  readonly norm: GroupNorm;
  readonly proj_in: Module;
  readonly transformer_blocks: ModuleList<BasicTransformerBlock>;
  readonly proj_out: Module;
  readonly useLinearProjection: boolean;

  constructor({ channels, heads, crossAttentionDim, groups, layers, useLinearProjection }: TransformerOptions) {
    super();
    const projection = (): Module =>
      useLinearProjection ? new Linear(channels, channels) : new Conv2d(channels, channels, 1);
    this.useLinearProjection = useLinearProjection;
    this.norm = new GroupNorm(groups, channels, { eps: 1e-6 });
    this.proj_in = projection();
    const blocks = Array.from({ length: layers }, () => new BasicTransformerBlock(channels, heads, crossAttentionDim));
    this.transformer_blocks = new ModuleList(blocks);
    this.proj_out = projection();
  }

  override forward(x: Tensor, context: Tensor): Tensor {
    const { useLinearProjection: linear, proj_in: into, proj_out: out } = this;
    const normed = this.norm(x);
    const given = linear ? into(tokensOf(normed)) : tokensOf(into(normed));
    const made = [...this.transformer_blocks].reduce((result, block) => block(result, context), given);
    return x.add(linear ? imageOf(out(made), x) : out(imageOf(made, x)));
  }
}

const tokensOf = (image: Tensor): Tensor => reshapeBehind(image, 2, [-1]).swapAxes(1, 2);
const imageOf = (tokens: Tensor, like: Tensor): Tensor => reshapeBehind(tokens.swapAxes(1, 2), 2, like.shape.slice(2));

/** Attention with one head over the pixels of an autoencoder, behind a norm and added to what came: `[B, C, H, W]`. */
export class PixelAttention extends Attention {
  static override readonly className = 'Attention';
  readonly group_norm: GroupNorm;

  constructor(channels: number, groups: number) {
    super({ queryDim: channels, heads: 1, bias: true });
    this.group_norm = new GroupNorm(groups, channels, { eps: 1e-6 });
  }

  override forward(x: Tensor): Tensor {
    requireShape('Attention', x, ['B', 'C', 'H', 'W']);
    return x.add(imageOf(super.forward(tokensOf(this.group_norm(x))), x));
  }
}
