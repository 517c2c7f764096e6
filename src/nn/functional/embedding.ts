/** Look-ups by index. */
import { GlobalPercError, type Tensor } from '../../graph/index.js';
import { rowOf } from '../sizes.js';

/**
 * Rows of the weight `[count, width]` by int64 index: `[…]` → `[…, width]`; row `paddingIdx` gets no gradient, a
 * negative one counts from the end (https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html).
 * @throws GlobalPercError when the indices are not int64, or there is no row `paddingIdx`.
 */
export function embedding(indices: Tensor, weight: Tensor, paddingIdx?: number): Tensor {
  if (indices.dtype !== 'int64') {
    throw new GlobalPercError(`an embedding takes int64 indices, got ${indices.dtype} of shape [${indices.shape}]`, {
      code: 'invalid-argument',
    });
  }
  const rows = weight.gather(indices, 0);
  if (paddingIdx === undefined) return rows;
  return indices
    .equal(rowOf('embedding: paddingIdx', paddingIdx, weight.dim(0)))
    .unsqueeze([-1])
    .where(rows.detach(), rows);
}
