/** Options of normalisations. */
import { boolean, type Checks, number } from '../../options/index.js';
import { orNull } from '../sizes.js';

/** Options of localResponseNorm. */
export interface LocalResponseNormOptions {
  /** Default 10⁻⁴. */
  readonly alpha?: number;
  /** Default 0.75. */
  readonly beta?: number;
  /** Default 1. */
  readonly k?: number;
}

export const localResponseChecks: Checks<LocalResponseNormOptions> = { alpha: number(), beta: number(), k: number() };

/** Options of the batch norms. */
export interface BatchNormOptions {
  /** Added to the variance. Default 10⁻⁵. */
  readonly eps?: number;
  /** Share of the present batch in the running statistics; null: the mean over all batches. Default 0.1. */
  readonly momentum?: number | null;
  /** Learn a scale and a shift per channel. Default true. */
  readonly affine?: boolean;
  /** Keep running statistics for evaluation. Default true. */
  readonly trackRunningStats?: boolean;
}

export const batchNormChecks: Checks<BatchNormOptions> = {
  eps: number({ least: 0 }),
  momentum: orNull(number()),
  affine: boolean,
  trackRunningStats: boolean,
};

/** Options of the instance norms: as BatchNorm's, but `affine` and `trackRunningStats` are false by default. */
export type InstanceNormOptions = BatchNormOptions;
