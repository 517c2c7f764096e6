/** Options of activations. */
import { type Checks, number, oneOf } from '../../options/index.js';

/** Options of softplus. */
export interface SoftplusOptions {
  /** Sharpness of the bend. Default 1. */
  readonly beta?: number;
  /** From β·x above this on, x itself. Default 20. */
  readonly threshold?: number;
}

export const softplusChecks: Checks<SoftplusOptions> = { beta: number(), threshold: number() };

/** How Φ is computed in gelu. */
export type GELUApproximation = 'none' | 'tanh';

export const geluApproximation = oneOf<GELUApproximation>('none', 'tanh');
