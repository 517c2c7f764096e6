/** Options of distances between rows. */
import { boolean, type Check, type Checks, integer, number, positive } from '../../options/index.js';

/** Options of cosineSimilarity. */
export interface CosineSimilarityOptions {
  /** Dimension that goes. Default 1. */
  readonly dim?: number;
  /** Lower bound of each norm. Default 10⁻⁸. */
  readonly eps?: number;
}

export const cosineSimilarityChecks: Checks<CosineSimilarityOptions> = { dim: integer(), eps: number({ least: 0 }) };

/** Options of pairwiseDistance. */
export interface PairwiseDistanceOptions {
  /** Which norm, above 0; infinity takes the largest difference. Default 2. */
  readonly p?: number;
  /** Added to each difference. Default 10⁻⁶. */
  readonly eps?: number;
  /** Keep the last dimension as 1. Default false. */
  readonly keepdim?: boolean;
}

const norm: Check<number> = (value, where) =>
  value === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : positive(value, where);

export const pairwiseDistanceChecks: Checks<PairwiseDistanceOptions> = { p: norm, eps: number(), keepdim: boolean };
