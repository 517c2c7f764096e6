/** The weight of each hook. */

import { type Checks, checkOptions, integer, number, required } from '../options/index.js';

/** End points and bend of the weight curve. */
export interface CurveOptions {
  readonly startWeight: number;
  readonly endWeight: number;
  /** 0 and 1 give a straight line; larger values keep to the smaller weight for longer. */
  readonly curveForce: number;
}

const CURVE: Checks<CurveOptions> = {
  startWeight: required(number()),
  endWeight: required(number()),
  curveForce: required(number({ least: 0 })),
};

/**
 * Weights of `count` hooks in execution order. With t = i/(n − 1) and span = end − start: start + span·t^force when the
 * weights rise, start + span·(1 − (1 − t)^force) when they fall. A single hook has the start weight.
 * @throws GlobalPercError on an option that is missing or no number, or a negative curveForce.
 */
export function weightCurve(options: CurveOptions, count: number): number[] {
  // A whole configuration will do.
  const { startWeight, endWeight, curveForce } = Object(options) as CurveOptions;
  checkOptions({ startWeight, endWeight, curveForce }, CURVE, 'weightCurve');
  integer(0)(count, 'weightCurve: count');
  const force = curveForce === 0 ? 1 : curveForce;
  const span = endWeight - startWeight;
  return Array.from({ length: count }, (_, i) => {
    const t = count > 1 ? i / (count - 1) : 0;
    return startWeight + span * (span >= 0 ? t ** force : 1 - (1 - t) ** force);
  });
}
