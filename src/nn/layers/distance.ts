/** Similarity and distance of vectors, as layers. */
import type { Tensor } from '../../graph/index.js';
import { checkOptions } from '../../options/index.js';
import { cosineSimilarity, pairwiseDistance } from '../functional/distance.js';
import { Module } from '../module.js';
import {
  type CosineSimilarityOptions,
  cosineSimilarityChecks,
  type PairwiseDistanceOptions,
  pairwiseDistanceChecks,
} from '../options/distance.js';

/**
 * a·b / (max(‖a‖, ε)·max(‖b‖, ε)) along a dimension, which goes
 * (https://pytorch.org/docs/stable/generated/torch.nn.CosineSimilarity.html).
 */
export class CosineSimilarity extends Module {
  static readonly className = 'CosineSimilarity';
  readonly options: CosineSimilarityOptions;

  constructor(options: CosineSimilarityOptions = {}) {
    super();
    this.options = checkOptions(options, cosineSimilarityChecks, this.className);
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    return cosineSimilarity(a, b, this.options);
  }
}

/**
 * ‖a − b + ε‖ₚ over the last dimension, which goes
 * (https://pytorch.org/docs/stable/generated/torch.nn.PairwiseDistance.html).
 */
export class PairwiseDistance extends Module {
  static readonly className = 'PairwiseDistance';
  readonly options: PairwiseDistanceOptions;

  constructor(options: PairwiseDistanceOptions = {}) {
    super();
    this.options = checkOptions(options, pairwiseDistanceChecks, this.className);
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    return pairwiseDistance(a, b, this.options);
  }
}
