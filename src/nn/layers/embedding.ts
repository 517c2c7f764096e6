/** Look-ups by index. */
import type { Tensor } from '../../graph/index.js';
import { type Checks, checkOptions, count, integer } from '../../options/index.js';
import { embedding } from '../functional/embedding.js';
import { normal } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { rowOf } from '../sizes.js';

/** Options of Embedding. */
export interface EmbeddingOptions {
  /** Row that starts as zeros and does not train; a negative one counts from the end. */
  readonly paddingIdx?: number;
}

const checks: Checks<EmbeddingOptions> = { paddingIdx: integer() };

/**
 * int64 indices `[…]` → rows `[…, embeddingDim]`; the weight starts standard-normal
 * (https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html).
 */
export class Embedding extends Module {
  static readonly className = 'Embedding';
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | undefined;
  readonly weight: Parameter;

  /** @throws GlobalPercError when there is no row `paddingIdx`. */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    const { paddingIdx } = checkOptions(options, checks, this.className);
    this.numEmbeddings = count(numEmbeddings, `${this.className}: numEmbeddings`);
    this.embeddingDim = count(embeddingDim, `${this.className}: embeddingDim`);
    this.paddingIdx =
      paddingIdx === undefined ? undefined : rowOf(`${this.className}: paddingIdx`, paddingIdx, numEmbeddings);
    this.weight = normal(new Parameter([numEmbeddings, embeddingDim]));
    if (this.paddingIdx !== undefined) {
      this.weight.data.fill(0, this.paddingIdx * embeddingDim, (this.paddingIdx + 1) * embeddingDim);
    }
  }

  /** @throws GlobalPercError when the indices are not int64. */
  override forward(indices: Tensor): Tensor {
    return embedding(indices, this.read(this.weight, indices), this.paddingIdx);
  }
}
