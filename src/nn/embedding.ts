/** Look-ups by index. */
import { GlobalPercError, type Tensor } from '../graph/index.js';
import { normal } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount } from './sizes.js';

/**
 * Rows of the weight `[count, width]` by int64 index: `[…]` → `[…, width]`; row `paddingIdx` gets no gradient, a
 * negative one counts from the end (https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html).
 * @throws GlobalPercError when the indices are not int64, or there is no row `paddingIdx`.
 */
export function embedding(indices: Tensor, weight: Tensor, paddingIdx?: number): Tensor {
  if (indices.dtype !== 'int64') {
    throw new GlobalPercError(`an embedding takes int64 indices, got ${indices.dtype} of shape [${indices.shape}]`);
  }
  const rows = weight.gather(indices, 0);
  if (paddingIdx === undefined) return rows;
  return indices
    .equal(rowOf(paddingIdx, weight.dim(0)))
    .unsqueeze([-1])
    .where(rows.detach(), rows);
}

/** Options of Embedding. */
export interface EmbeddingOptions {
  /** Row that starts as zeros and does not train; a negative one counts from the end. */
  readonly paddingIdx?: number;
}

/**
 * int64 indices `[…]` → rows `[…, embeddingDim]`; the weight starts standard-normal
 * (https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html).
 */
export class Embedding extends Module {
  static readonly className = 'Embedding';
  readonly weight: Parameter;
  readonly paddingIdx: number | undefined;

  /** @throws GlobalPercError when there is no row `paddingIdx`. */
  constructor(numEmbeddings: number, embeddingDim: number, { paddingIdx }: EmbeddingOptions = {}) {
    super();
    const shape = [
      requireCount(numEmbeddings, 'Embedding: numEmbeddings'),
      requireCount(embeddingDim, 'Embedding: embeddingDim'),
    ];
    this.weight = normal(new Parameter(shape));
    this.paddingIdx = paddingIdx === undefined ? undefined : rowOf(paddingIdx, numEmbeddings);
    if (this.paddingIdx !== undefined) {
      this.weight.data.fill(0, this.paddingIdx * embeddingDim, (this.paddingIdx + 1) * embeddingDim);
    }
  }

  /** @throws GlobalPercError when the indices are not int64. */
  override forward(indices: Tensor): Tensor {
    return embedding(indices, this.read(this.weight, indices), this.paddingIdx);
  }
}

function rowOf(index: number, count: number): number {
  const row = index < 0 ? index + count : index;
  if (Number.isInteger(row) && row >= 0 && row < count) return row;
  throw new GlobalPercError(`Embedding: paddingIdx ${index} is none of ${count} rows`);
}
