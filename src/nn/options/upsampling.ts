/** Options of resizing. */
import { boolean, type Check, type Checks, count, listOf, oneOf, positive } from '../../options/index.js';
import type { PerAxis } from '../sizes.js';

/** How new elements come from old ones; all but nearest are for one number of spatial axes each. */
export type InterpolationMode = 'nearest' | 'linear' | 'bilinear' | 'trilinear' | 'bicubic';

/** Options of interpolate and Upsample; one of size and scaleFactor is needed. */
export interface UpsampleOptions {
  /** Size of the spatial axes. */
  readonly size?: PerAxis | undefined;
  /** What their size is multiplied by; the result is rounded down. */
  readonly scaleFactor?: PerAxis | undefined;
  /** Default `nearest`. */
  readonly mode?: InterpolationMode;
  /** The centres of the corners stay in place rather than their edges; not for `nearest`. Default false. */
  readonly alignCorners?: boolean;
}

/** One value, or one for each of some axes. */
const oneOrMore =
  (check: Check<number>): Check<PerAxis> =>
  (value, where) =>
    Array.isArray(value) ? listOf(check)(value, where) : check(value, where);

export const upsampleChecks: Checks<UpsampleOptions> = {
  size: oneOrMore(count),
  scaleFactor: oneOrMore(positive),
  mode: oneOf('nearest', 'linear', 'bilinear', 'trilinear', 'bicubic'),
  alignCorners: boolean,
};
