/**
 * DINOv2's vision transformers (Oquab et al. 2023, https://arxiv.org/abs/2304.07193), with register tokens too (Darcet et
 * al. 2023, https://arxiv.org/abs/2309.16588). Modules, classes, weights and defaults have the names they have in
 * https://github.com/facebookresearch/dinov2, so that hooks and weight files of the original fit.
 */
import { concat, GlobalPercError, int, type Tensor } from '../graph/index.js';
import {
  Conv2d,
  Dropout,
  functional,
  GELU,
  Identity,
  init,
  LayerNorm,
  Linear,
  Module,
  ModuleList,
  Parameter,
  type StoredTensor,
} from '../nn/index.js';
import { lazily } from '../nn/init.js';
import { requireDivisor, requireMultiples, reshapeBehind } from '../nn/sizes.js';
import {
  boolean,
  type Checks,
  checkOptions,
  count,
  instanceOf,
  integer,
  number,
  repeats,
  required,
} from '../options/index.js';
import { fromHuggingFace, fromTimm } from './dinov2-names.js';
import { resampledPositions } from './dinov2-positions.js';

/** A Linear that starts normal with deviation 0.02, its bias with 0. */
function linearOf(inFeatures: number, outFeatures: number): Linear {
  const layer = new Linear(inFeatures, outFeatures);
  init.truncNormal(layer.weight, { std: 0.02 });
  if (layer.bias) init.zeros(layer.bias);
  return layer;
}

/** Patches of an image, or of what `proj` reads, as tokens: `[B, 3, H, W]` → `[B, H/patch · W/patch, embedDim]`, row by row. */
export class PatchEmbed extends Module {
  static readonly className = 'PatchEmbed';
  readonly proj: Module;
  readonly norm = new Identity();
  readonly patchSize: number;

  /** @param proj gives `[B, embedDim, H/patch, W/patch]`; by default a convolution of RGB. */
  constructor(patchSize: number, embedDim: number, proj?: Module) {
    super();
    this.patchSize = count(patchSize, `${this.className}: patchSize`);
    this.proj = proj ?? new Conv2d(3, embedDim, patchSize, { stride: patchSize });
  }

  /** @throws GlobalPercError naming the nearest sizes when a side is no multiple of the patch. */
  override forward(x: Tensor): Tensor {
    requireMultiples(this.className, x, this.patchSize);
    const grid = this.proj(x);
    requireGrid(this, grid, x);
    const patches = reshapeBehind(grid, 2, [-1]);
    return this.norm(patches.swapAxes(1, 2));
  }
}

/** @throws GlobalPercError when there is not one vector for each patch. */
function requireGrid({ className, patchSize }: PatchEmbed, grid: Tensor, x: Tensor): void {
  const sides = x.shape.slice(2).map((side) => side / patchSize);
  if (grid.rank === x.rank && sides.every((side, i) => grid.dim(2 + i) === side)) return;
  throw new GlobalPercError(
    `${className}: patches of ${patchSize} of an input [${x.shape}] are ${sides.join(' × ')}, proj gives [${grid.shape}]: check patchSize`,
    { code: 'invalid-option' },
  );
}

/** Self-attention: `[B, N, dim]` → `[B, N, dim]`; the weight of `qkv` holds queries, keys and values one after the other. */
export class MemEffAttention extends Module {
  static readonly className = 'MemEffAttention';
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly proj_drop = new Dropout(0);
  readonly numHeads: number;

  /** @throws GlobalPercError when the heads do not divide dim. */
  constructor(dim: number, numHeads: number) {
    super();
    count(dim, `${this.className}: dim`);
    count(numHeads, `${this.className}: numHeads`);
    requireDivisor(this.className, numHeads, 'heads', `${dim} features`, dim);
    this.numHeads = numHeads;
    this.qkv = linearOf(dim, 3 * dim);
    this.proj = linearOf(dim, dim);
  }

  override forward(x: Tensor): Tensor {
    const dim = x.dim(-1);
    const sizes = x.graph.ints([dim, dim, dim]);
    const parts = x.graph.emit('Split', [this.qkv(x), sizes], { axis: int(-1) }, { outputs: 3 });
    const [q, k, v] = parts.map((part) =>
      reshapeBehind(part, 2, [this.numHeads, dim / this.numHeads]).swapAxes(1, 2),
    ) as [Tensor, Tensor, Tensor];
    const mixed = functional.scaledDotProductAttention(q, k, v).swapAxes(1, 2);
    return this.proj_drop(this.proj(reshapeBehind(mixed, 2, [dim])));
  }
}

/** A learned factor per feature: `[B, N, dim]` → `[B, N, dim]`; starts with 1. */
export class LayerScale extends Module {
  static readonly className = 'LayerScale';
  readonly gamma: Parameter;

  constructor(dim: number) {
    super();
    this.gamma = init.ones(new Parameter([dim]));
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.read(this.gamma, x));
  }
}

/** Two layers with a GELU between them: `[…, dim]` → `[…, hiddenFeatures]` → `[…, dim]`. */
export class Mlp extends Module {
  static readonly className = 'Mlp';
  readonly fc1: Linear;
  readonly act = new GELU();
  readonly fc2: Linear;
  readonly drop = new Dropout(0);

  constructor(dim: number, hiddenFeatures: number) {
    super();
    this.fc1 = linearOf(dim, hiddenFeatures);
    this.fc2 = linearOf(hiddenFeatures, dim);
  }

  override forward(x: Tensor): Tensor {
    const hidden = this.drop(this.act(this.fc1(x)));
    return this.drop(this.fc2(hidden));
  }
}

const layerNorm = (dim: number): LayerNorm => new LayerNorm(dim, { eps: 1e-6 });

/** x + ls1(attn(norm1 x)), then x + ls2(mlp(norm2 x)): `[B, N, dim]` → `[B, N, dim]`. */
export class NestedTensorBlock extends Module {
  static readonly className = 'NestedTensorBlock';
  readonly norm1: LayerNorm;
  readonly attn: MemEffAttention;
  readonly ls1: LayerScale;
  /** Not called, as in the original without stochastic depth. */
  readonly drop_path1 = new Identity();
  readonly norm2: LayerNorm;
  readonly mlp: Mlp;
  readonly ls2: LayerScale;
  readonly drop_path2 = new Identity();

  constructor(dim: number, numHeads: number) {
    super();
    this.norm1 = layerNorm(dim);
    this.attn = new MemEffAttention(dim, numHeads);
    this.ls1 = new LayerScale(dim);
    this.norm2 = layerNorm(dim);
    this.mlp = new Mlp(dim, 4 * dim);
    this.ls2 = new LayerScale(dim);
  }

  override forward(x: Tensor): Tensor {
    const attended = x.add(this.ls1(this.attn(this.norm1(x))));
    return attended.add(this.ls2(this.mlp(this.norm2(attended))));
  }
}

/** Options of DinoVisionTransformer. */
export interface DinoVisionTransformerOptions {
  /** Features of a token. */
  readonly embedDim: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly numHeads: number;
  /** Side of the square inputs that `pos_embed` is for, a multiple of patchSize. Default 518. */
  readonly imgSize?: number;
  /** Default 14. */
  readonly patchSize?: number;
  /** What reads patches in place of the convolution: `[B, C, H, W]` → `[B, embedDim, H/patchSize, W/patchSize]`, such as DinoLatentHeader. */
  readonly patchEmbed?: Module;
  /** Tokens after the class token that hold no patch. Default 0. */
  readonly numRegisterTokens?: number;
  /** Low-pass filter where the position embeddings' grid shrinks. Default false. */
  readonly interpolateAntialias?: boolean;
  /**
   * Added to the number of patches along each side when the grid of position embeddings is scaled to it. Default 0.1;
   * Hugging Face's transformers has 0 throughout.
   */
  readonly interpolateOffset?: number;
}

const checks: Checks<DinoVisionTransformerOptions> = {
  embedDim: required(count),
  depth: required(repeats),
  numHeads: required(count),
  imgSize: count,
  patchSize: count,
  patchEmbed: instanceOf(Module as abstract new () => Module, 'an nn.Module, such as new models.DinoLatentHeader()'),
  numRegisterTokens: integer(0),
  interpolateAntialias: boolean,
  interpolateOffset: number(),
};

/**
 * Images `[B, 3, H, W]`, normalised by ImageNet's mean and deviation, H and W multiples of patchSize → the class token
 * `[B, embedDim]` after the last norm. For images other than imgSize², the position embeddings are resampled bicubically.
 * Weights start as the original's: normal with deviation 0.02 (pos_embed, Linear) or 10⁻⁶ (cls_token, register_tokens).
 */
export class DinoVisionTransformer extends Module {
  static readonly className = 'DinoVisionTransformer';
  readonly cls_token: Parameter;
  readonly pos_embed: Parameter;
  readonly register_tokens: Parameter | undefined;
  /** Stands for hidden patches in pretraining; without effect here. */
  readonly mask_token: Parameter;
  readonly patch_embed: PatchEmbed;
  readonly blocks: ModuleList<NestedTensorBlock>;
  readonly norm: LayerNorm;
  readonly head = new Identity();
  readonly interpolateAntialias: boolean;
  readonly interpolateOffset: number;

  /** @throws GlobalPercError when the heads do not divide the features, or the patches not the image. */
  constructor(options: DinoVisionTransformerOptions) {
    super();
    const checked = checkOptions(options, checks, this.className);
    const { embedDim, depth, numHeads, imgSize = 518, patchSize = 14, numRegisterTokens = 0 } = checked;
    if (imgSize % patchSize !== 0) {
      throw new GlobalPercError(`${this.className}: imgSize ${imgSize} is no multiple of patchSize ${patchSize}`, {
        code: 'invalid-option',
      });
    }
    this.interpolateAntialias = checked.interpolateAntialias ?? false;
    this.interpolateOffset = checked.interpolateOffset ?? 0.1;
    const token = (count: number): Parameter => init.normal(new Parameter([1, count, embedDim]), { std: 1e-6 });
    this.cls_token = token(1);
    this.pos_embed = init.truncNormal(new Parameter([1, 1 + (imgSize / patchSize) ** 2, embedDim]), { std: 0.02 });
    this.register_tokens = numRegisterTokens > 0 ? token(numRegisterTokens) : undefined;
    this.mask_token = new Parameter([1, embedDim]);
    this.patch_embed = new PatchEmbed(patchSize, embedDim, checked.patchEmbed);
    this.blocks = new ModuleList(Array.from({ length: depth }, () => new NestedTensorBlock(embedDim, numHeads)));
    this.norm = layerNorm(embedDim);
  }

  /** @throws GlobalPercError naming the nearest sizes when a side is no multiple of the patch. */
  override forward(x: Tensor): Tensor {
    const tokens = this.prepareTokens(x);
    const features = this.norm([...this.blocks].reduce((previous, block) => block(previous), tokens));
    return this.head(features.gather(x.graph.scalar(0, 'int64'), 1));
  }

  /** Class token, registers and patches, positions added to all but the registers: `[B, N, embedDim]`. */
  private prepareTokens(x: Tensor): Tensor {
    const patches = this.patch_embed(x);
    const [rows, columns] = x.shape.slice(2).map((side) => side / this.patch_embed.patchSize) as [number, number];
    const positions = resampledPositions(this.read(this.pos_embed, x), [rows, columns], {
      antialias: this.interpolateAntialias,
      offset: this.interpolateOffset,
    });
    const first = this.read(this.cls_token, x).add(positions.slice([1], [0], [1]));
    const registers = this.register_tokens && [this.read(this.register_tokens, x)];
    const added = concat([first, ...(registers ?? []), positions.slice([1], [1], [positions.dim(1)])], 1);
    // What comes before the patches is the same for every image: it is added to zeros, whatever the batch.
    return patches.pad([0, added.dim(1) - patches.dim(1), 0], [0, 0, 0]).add(added);
  }

  /**
   * `loadStateDict` takes the names of the original's files, those of Hugging Face's (`facebook/dinov2-small` …), whose
   * classifier, if there is one, is left out, and timm's. For images other than imgSize², timm resamples the position
   * embeddings with interpolateAntialias true and interpolateOffset 0.
   * @throws GlobalPercError listing, by the names of the file, what is missing, not known, or of another shape.
   */
  protected override adaptedState(
    state: Readonly<Record<string, StoredTensor>>,
  ): Readonly<Record<string, StoredTensor>> {
    const expected = new Map(this.namedState());
    return fromTimm(fromHuggingFace(state, expected), expected);
  }
}

const small = { embedDim: 384, depth: 12, numHeads: 6 };
const base = { embedDim: 768, depth: 12, numHeads: 12 };
const large = { embedDim: 1024, depth: 24, numHeads: 16 };
const registers = { numRegisterTokens: 4, interpolateAntialias: true, interpolateOffset: 0 };

/** Options of the models by name: what they read, where it is no RGB. */
export type DinoInputOptions = Pick<DinoVisionTransformerOptions, 'patchEmbed' | 'patchSize'>;

const INPUT: Checks<DinoInputOptions> = { patchEmbed: checks.patchEmbed, patchSize: checks.patchSize };

/** Patches along each side in pretraining: as many positions the published weights have. */
const GRID = 37;

/** A model whose random weights are drawn when they are read: most of these load trained ones. */
function lazy(options: DinoVisionTransformerOptions, input: DinoInputOptions): DinoVisionTransformer {
  const { patchSize = 14 } = checkOptions(input, INPUT, DinoVisionTransformer.className);
  return lazily(() => new DinoVisionTransformer({ ...options, ...input, imgSize: GRID * patchSize }));
}

/** ViT-S/14, 22.1 million weights, features of 384. */
export const dinov2Vits14 = (input: DinoInputOptions = {}): DinoVisionTransformer => lazy(small, input);
/** ViT-B/14, 86.6 million weights, features of 768. */
export const dinov2Vitb14 = (input: DinoInputOptions = {}): DinoVisionTransformer => lazy(base, input);
/** ViT-L/14, 304.4 million weights, features of 1024. */
export const dinov2Vitl14 = (input: DinoInputOptions = {}): DinoVisionTransformer => lazy(large, input);
/** ViT-S/14 with four register tokens. */
export const dinov2Vits14Reg = (input: DinoInputOptions = {}): DinoVisionTransformer =>
  lazy({ ...small, ...registers }, input);
/** ViT-B/14 with four register tokens. */
export const dinov2Vitb14Reg = (input: DinoInputOptions = {}): DinoVisionTransformer =>
  lazy({ ...base, ...registers }, input);
/** ViT-L/14 with four register tokens. */
export const dinov2Vitl14Reg = (input: DinoInputOptions = {}): DinoVisionTransformer =>
  lazy({ ...large, ...registers }, input);
