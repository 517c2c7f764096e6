/** Masks: which pixels of a prediction count. */
import { GlobalPercError, type Shape, sameShape } from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import type { HostTensor } from '../runtime/index.js';

/**
 * The mask of a call as what a program is fed.
 * @param output shape of the prediction.
 * @throws GlobalPercError when its shape does not fit, when it holds values outside [0, 1], and when all of them are 0.
 */
export function maskFeeds(mask: TensorLike | undefined, output: Shape): { readonly mask?: HostTensor } {
  if (mask === undefined) return {};
  const tensor = toFloat32(mask, 'mask');
  requireMaskShape(tensor.dims, output);
  const outside = tensor.data.find((weight) => weight < 0 || weight > 1);
  if (outside !== undefined) {
    throw invalid(`mask holds ${outside}: its weights are from 0, does not count, to 1; divide one of bytes by 255`);
  }
  if (tensor.data.some((weight) => weight > 0)) return { mask: tensor };
  throw invalid('mask is empty: all its weights are 0, so that nothing of the images counts');
}

/** The shape of a mask with weights for each sample. @throws GlobalPercError for a prediction that is no batch of images. */
export function maskShape(output: Shape): Shape {
  const [batch, , height, width] = output;
  if (output.length === 4) return [batch, 1, height, width] as number[];
  throw invalid(`a mask weighs the pixels of images [B, C, H, W], the prediction has shape [${output}]`);
}

function requireMaskShape(shape: Shape, output: Shape): void {
  const own = maskShape(output);
  const common = own.with(0, 1);
  if (sameShape(shape, own) || sameShape(shape, common)) return;
  const wanted = sameShape(own, common) ? `[${own}]` : `[${own}] or [${common}]`;
  throw invalid(`mask should have the shape ${wanted}, for a prediction [${output}], got [${shape}]`);
}

const invalid = (message: string): GlobalPercError => new GlobalPercError(message, { code: 'invalid-argument' });
