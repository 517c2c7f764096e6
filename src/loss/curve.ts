/** The weight of each hook. */

/** End points and bend of the weight curve. */
export interface CurveOptions {
  readonly startWeight: number;
  readonly endWeight: number;
  /** 0 and 1 give a straight line; larger values keep to the smaller weight for longer. */
  readonly curveForce: number;
}

/**
 * Weights of `count` hooks in execution order. With t = i/(n − 1) and span = end − start: start + span·t^force when the
 * weights rise, start + span·(1 − (1 − t)^force) when they fall. A single hook has the start weight.
 */
export function weightCurve({ startWeight, endWeight, curveForce }: CurveOptions, count: number): number[] {
  const force = curveForce === 0 ? 1 : curveForce;
  const span = endWeight - startWeight;
  return Array.from({ length: count }, (_, i) => {
    const t = count > 1 ? i / (count - 1) : 0;
    return startWeight + span * (span >= 0 ? t ** force : 1 - (1 - t) ** force);
  });
}
