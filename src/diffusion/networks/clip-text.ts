/** CLIP's text encoder (https://huggingface.co/docs/transformers/model_doc/clip). */
import { constantOf, type Tensor } from '../../graph/index.js';
import { Embedding, functional, LayerNorm, Linear, Module, ModuleList, type StoredTensor } from '../../nn/index.js';
import { lazily } from '../../nn/init.js';
import { requireDivisor, requireShape } from '../../nn/sizes.js';
import { type Checks, checkOptions, count, oneOf, positive, repeats } from '../../options/index.js';
import { type Off, optionsOf } from '../config.js';
import { mixedHeads } from './transformer.js';

/** Options of CLIPTextModel, those of its `config.json`. The defaults are transformers'. */
export interface CLIPTextOptions {
  /** Default 49408. */
  readonly vocabSize?: number;
  /** Features of a token. Default 512; 768 in Stable Diffusion 1. */
  readonly hiddenSize?: number;
  /** Default 2048. */
  readonly intermediateSize?: number;
  /** Default 12. */
  readonly numHiddenLayers?: number;
  /** Default 8. */
  readonly numAttentionHeads?: number;
  /** Longest text, in tokens. Default 77. */
  readonly maxPositionEmbeddings?: number;
  /** x·σ(1.702·x), or the exact GELU. Default `quick_gelu`. */
  readonly hiddenAct?: 'quick_gelu' | 'gelu';
  /** Default 10⁻⁵. */
  readonly layerNormEps?: number;
}

const checks: Checks<CLIPTextOptions> = {
  vocabSize: count,
  hiddenSize: count,
  intermediateSize: count,
  numHiddenLayers: repeats,
  numAttentionHeads: count,
  maxPositionEmbeddings: count,
  hiddenAct: oneOf('quick_gelu', 'gelu'),
  layerNormEps: positive,
};

const LEFT_OUT: Off = { model_type: ['clip_text_model'] };

type Sizes = Required<CLIPTextOptions>;

class CLIPTextEmbeddings extends Module {
  static readonly className = 'CLIPTextEmbeddings';
  readonly token_embedding: Embedding;
  readonly position_embedding: Embedding;

  constructor({ vocabSize, hiddenSize, maxPositionEmbeddings }: Sizes) {
    super();
    this.token_embedding = new Embedding(vocabSize, hiddenSize);
    this.position_embedding = new Embedding(maxPositionEmbeddings, hiddenSize);
  }

  override forward(ids: Tensor): Tensor {
    const length = ids.dim(1);
    const places = ids.graph.constant(constantOf('int64', [1, length], [...Array(length).keys()]));
    return this.token_embedding(ids).add(this.position_embedding(places));
  }
}

/** Attention of each token to those before it: `[B, N, D]` → `[B, N, D]`. */
class CLIPAttention extends Module {
  static readonly className = 'CLIPAttention';
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly q_proj: Linear;
  readonly out_proj: Linear;
  readonly heads: number;

  constructor({ hiddenSize: size, numAttentionHeads: heads }: Sizes) {
    super();
    requireDivisor('CLIPTextModel', heads, 'heads', `${size} features`, size);
    this.heads = heads;
    this.k_proj = new Linear(size, size);
    this.v_proj = new Linear(size, size);
    this.q_proj = new Linear(size, size);
    this.out_proj = new Linear(size, size);
  }

  override forward(x: Tensor): Tensor {
    const projected = [this.q_proj(x), this.k_proj(x), this.v_proj(x)] as const;
    return this.out_proj(mixedHeads(projected, this.heads, { isCausal: true }));
  }
}

class CLIPMLP extends Module {
  static readonly className = 'CLIPMLP';
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly hiddenAct: 'quick_gelu' | 'gelu';

  constructor({ hiddenSize, intermediateSize, hiddenAct }: Sizes) {
    super();
    this.hiddenAct = hiddenAct;
    this.fc1 = new Linear(hiddenSize, intermediateSize);
    this.fc2 = new Linear(intermediateSize, hiddenSize);
  }

  override forward(x: Tensor): Tensor {
    const hidden = this.fc1(x);
    const active = this.hiddenAct === 'gelu' ? functional.gelu(hidden) : hidden.mul(hidden.mul(1.702).sigmoid());
    return this.fc2(active);
  }
}

class CLIPEncoderLayer extends Module {
  static readonly className = 'CLIPEncoderLayer';
  readonly self_attn: CLIPAttention;
  readonly layer_norm1: LayerNorm;
  readonly mlp: CLIPMLP;
  readonly layer_norm2: LayerNorm;

  constructor(sizes: Sizes) {
    super();
    const norm = (): LayerNorm => new LayerNorm(sizes.hiddenSize, { eps: sizes.layerNormEps });
    this.self_attn = new CLIPAttention(sizes);
    this.layer_norm1 = norm();
    this.mlp = new CLIPMLP(sizes);
    this.layer_norm2 = norm();
  }

  override forward(x: Tensor): Tensor {
    const attended = x.add(this.self_attn(this.layer_norm1(x)));
    return attended.add(this.mlp(this.layer_norm2(attended)));
  }
}

class CLIPEncoder extends Module {
  static readonly className = 'CLIPEncoder';
  readonly layers: ModuleList<CLIPEncoderLayer>;

  constructor(sizes: Sizes) {
    super();
    this.layers = new ModuleList(Array.from({ length: sizes.numHiddenLayers }, () => new CLIPEncoderLayer(sizes)));
  }

  override forward(x: Tensor): Tensor {
    return [...this.layers].reduce((result, layer) => layer(result), x);
  }
}

class CLIPTextTransformer extends Module {
  static readonly className = 'CLIPTextTransformer';
  readonly embeddings: CLIPTextEmbeddings;
  readonly encoder: CLIPEncoder;
  readonly final_layer_norm: LayerNorm;

  constructor(sizes: Sizes) {
    super();
    this.embeddings = new CLIPTextEmbeddings(sizes);
    this.encoder = new CLIPEncoder(sizes);
    this.final_layer_norm = new LayerNorm(sizes.hiddenSize, { eps: sizes.layerNormEps });
  }

  override forward(ids: Tensor): Tensor {
    return this.final_layer_norm(this.encoder(this.embeddings(ids)));
  }
}

/** Token numbers `[B, N]`, int64 → the text's states `[B, N, hiddenSize]` behind the last norm. Keys of its state are those of published files. */
export class CLIPTextModel extends Module {
  static readonly className = 'CLIPTextModel';
  readonly text_model: CLIPTextTransformer;
  readonly hiddenSize: number;
  readonly maxPositionEmbeddings: number;

  /** @throws GlobalPercError on an option that is not known or out of range, and when the heads do not divide the features. */
  constructor(options: CLIPTextOptions = {}) {
    super();
    const sizes: Sizes = {
      ...{ vocabSize: 49408, hiddenSize: 512, intermediateSize: 2048, numHiddenLayers: 12, numAttentionHeads: 8 },
      ...{ maxPositionEmbeddings: 77, hiddenAct: 'quick_gelu', layerNormEps: 1e-5 },
      ...checkOptions(options, checks, 'CLIPTextModel'),
    };
    this.hiddenSize = sizes.hiddenSize;
    this.maxPositionEmbeddings = sizes.maxPositionEmbeddings;
    this.text_model = new CLIPTextTransformer(sizes);
  }

  /** Of the parsed `text_encoder/config.json`. @throws GlobalPercError as the constructor, and for what is not offered. */
  static fromConfig(config: unknown): CLIPTextModel {
    const options = optionsOf(config, checks, LEFT_OUT, 'CLIPTextModel.fromConfig');
    return lazily(() => new CLIPTextModel(options));
  }

  /** @throws GlobalPercError on a text that is longer than the positions. */
  override forward(ids: Tensor): Tensor {
    requireShape('CLIPTextModel', ids, ...Array.from({ length: this.maxPositionEmbeddings }, (_, i) => ['B', i + 1]));
    return this.text_model(ids);
  }

  /** Older files hold the numbers of the positions, newer ones of transformers 5 lack `text_model.`. */
  protected override adaptedState(
    state: Readonly<Record<string, StoredTensor>>,
  ): Readonly<Record<string, StoredTensor>> {
    const named = (key: string): string => (key.startsWith('text_model.') ? key : `text_model.${key}`);
    const entries = Object.entries(state).filter(([key]) => !key.endsWith('embeddings.position_ids'));
    return Object.fromEntries(entries.map(([key, tensor]) => [named(key), tensor]));
  }
}
