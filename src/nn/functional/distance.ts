/** Similarity and distance of vectors. */
import type { Tensor } from '../../graph/index.js';
import { checkOptions } from '../../options/index.js';
import {
  type CosineSimilarityOptions,
  cosineSimilarityChecks,
  type PairwiseDistanceOptions,
  pairwiseDistanceChecks,
} from '../options/distance.js';

/**
 * a·b / (max(‖a‖, ε)·max(‖b‖, ε)) along a dimension, which goes. As in PyTorch the bound itself has no gradient, and that
 * of a zero vector's norm is 0 (https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html).
 */
export function cosineSimilarity(a: Tensor, b: Tensor, options: CosineSimilarityOptions = {}): Tensor {
  const { dim = 1, eps = 1e-8 } = checkOptions(options, cosineSimilarityChecks, 'cosineSimilarity');
  const bounded = (x: Tensor): Tensor => {
    const length = norm(x, dim);
    return length.add(length.maximum(eps).sub(length).detach());
  };
  // Each is divided by its own norm first: their product may leave float32 where the quotients do not.
  return a
    .div(bounded(a))
    .mul(b.div(bounded(b)))
    .sum([dim]);
}

/** ‖x‖ along a dimension, which is kept as 1; √ is kept away from 0, where its slope is infinite. */
function norm(x: Tensor, dim: number): Tensor {
  const squares = x.square().sum([dim], true);
  const isZero = squares.equal(0);
  return isZero.where(0, isZero.where(1, squares).sqrt());
}

/**
 * ‖a − b + ε‖ₚ over the last dimension, which goes
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html).
 */
export function pairwiseDistance(a: Tensor, b: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
  const { p = 2, eps = 1e-6, keepdim = false } = checkOptions(options, pairwiseDistanceChecks, 'pairwiseDistance');
  const difference = a.sub(b).add(eps);
  if (p === 2) return keepdim ? norm(difference, -1) : norm(difference, -1).squeeze([-1]);
  const sizes = difference.abs();
  if (p === 1) return sizes.sum([-1], keepdim);
  if (p === Number.POSITIVE_INFINITY) return sizes.amax([-1], keepdim);
  const sums = sizes.pow(p).sum([-1], keepdim);
  const isZero = sums.equal(0);
  return isZero.where(0, isZero.where(1, sums).pow(1 / p));
}
