/** Options of windows laid out as columns, and of columns put together to an image. */
import type { Checks } from '../../options/index.js';
import { type PerAxis, perAxis } from '../sizes.js';

/** Options of fold and unfold. */
export interface FoldOptions {
  /** Default 1. */
  readonly dilation?: PerAxis;
  /** Zeros at both ends of the image. Default 0. */
  readonly padding?: PerAxis;
  /** Default 1. */
  readonly stride?: PerAxis;
}

export const foldChecks: Checks<FoldOptions> = { dilation: perAxis(2), padding: perAxis(2, 0), stride: perAxis(2) };
