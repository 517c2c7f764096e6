/** Options of the pools. */
import { GlobalPercError } from '../../graph/index.js';
import { boolean, type Check, type Checks, number } from '../../options/index.js';
import { type PerAxis, perAxis } from '../sizes.js';

/** Options of every pool. */
export interface PoolOptions {
  /** Default: the size of the window. */
  readonly stride?: PerAxis | undefined;
  /** At both ends; at most half a window. Default 0. */
  readonly padding?: PerAxis;
  /** Keeps a last window that reaches beyond the padding, unless it starts in the padding behind. Default false. */
  readonly ceilMode?: boolean;
}

/** Options of the maximum pools. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance between the elements of a window. Default 1. */
  readonly dilation?: PerAxis;
}

/** Options of the average pools. */
export interface AvgPoolOptions extends PoolOptions {
  /** Counts the padding as elements of a window, but never what lies beyond it. Default true. */
  readonly countIncludePad?: boolean;
  /** What the sums are divided by, instead of the number of elements. */
  readonly divisorOverride?: number | undefined;
}

/** Options of the power-average pools. */
export type LPPoolOptions = Omit<PoolOptions, 'padding'>;

const lpPool = (axes: number): Checks<LPPoolOptions> => ({ stride: perAxis(axes), ceilMode: boolean });

const pool = (axes: number): Checks<PoolOptions> => ({ ...lpPool(axes), padding: perAxis(axes, 0) });

const divisor: Check<number> = (value, where) => {
  const given = number()(value, where);
  if (given !== 0) return given;
  throw new GlobalPercError(`${where} should not be 0`, { code: 'invalid-option' });
};

/** What the pools over so many axes may be given. */
export const poolChecks = {
  max: (axes: number): Checks<MaxPoolOptions> => ({ ...pool(axes), dilation: perAxis(axes) }),
  avg: (axes: number): Checks<AvgPoolOptions> => ({
    ...pool(axes),
    countIncludePad: boolean,
    divisorOverride: divisor,
  }),
  lp: lpPool,
};
