/** Activations as directions: each sample's whole activation has length 1. */
import type { Tensor } from '../graph/index.js';
import { checkOptions } from '../options/index.js';
import { ReducedDistance, type Reduction } from './distances.js';
import { REDUCED, type ReductionOptions } from './gram.js';

/** Lower bound of a length. */
const EPSILON = 1e-8;

/**
 * (A/max(‖A‖, ε) − B/max(‖B‖, ε))², ε = 10⁻⁸, where ‖·‖ is the length of a sample's whole activation, over all dimensions
 * but the first, through which no gradient flows: each element of A is drawn to the value that B has in it, scaled
 * to A's length. Its sum over a sample is 2·(1 − cos(A, B)), its gradient 2/‖A‖ times the difference.
 */
export class UnitLengthLoss extends ReducedDistance {
  readonly reduction: Reduction;

  /** @throws GlobalPercError on an unknown option or reduction. */
  constructor(options: ReductionOptions = {}) {
    super();
    this.reduction = checkOptions(options, REDUCED, 'UnitLengthLoss').reduction ?? 'mean';
  }

  /** The squared differences, in the shape of the input. */
  elements(input: Tensor, target: Tensor): Tensor {
    return unitLength(input).sub(unitLength(target)).square();
  }

  protected override distances(input: Tensor, target: Tensor): Tensor {
    return this.elements(input, target);
  }
}

function unitLength(x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  const squares = x.detach().square();
  // Without axes, a reduction would be over all of them.
  const length = (axes.length === 0 ? squares : squares.sum(axes, true)).sqrt();
  return x.div(length.maximum(EPSILON).detach());
}
