/** RMSprop (Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf). */
import type { Tensor } from '../graph/index.js';
import { boolean, type Checks, number } from '../options/index.js';
import {
  COMMON,
  type CommonOptions,
  Optimizer,
  type OptimizerOptions,
  type Update,
  type Updated,
  withDecay,
  withDefaults,
} from './optimizer.js';

/** Options of RMSprop by PyTorch's names. */
export interface RMSpropOptions extends OptimizerOptions {
  /** Decay of the running means. */
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
  /** Whether the gradient is divided by its spread instead of its length. */
  readonly centered: boolean;
}

export const RMSPROP_OPTIONS: Checks<RMSpropOptions> = {
  ...COMMON,
  alpha: number({ least: 0 }),
  eps: number({ least: 0 }),
  momentum: number({ least: 0 }),
  centered: boolean,
};

const DEFAULTS: RMSpropOptions = { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false };

/**
 * g ← g + λθ;  v ← αv + (1 − α)g²;  m ← αm + (1 − α)g;  d = g/(√v + ε), centred g/(√(v − m²) + ε);  b ← μb + d;  θ ← θ − γ·(b, or d without momentum)
 * with learning rate γ (default 10⁻²), α 0.99, ε 10⁻⁸, momentum μ 0, weight decay λ 0
 * (https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html).
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  static readonly className: string = 'RMSprop';
  readonly stateNames: readonly string[];

  /** @throws GlobalPercError on an unknown or negative option. */
  constructor(given: Partial<RMSpropOptions> & CommonOptions<RMSpropOptions> = {}) {
    super(...withDefaults(given, RMSPROP_OPTIONS, DEFAULTS, new.target.className));
    const variants = this.variants();
    this.stateNames = [
      'square_avg',
      ...(variants.some(({ centered }) => centered) ? ['grad_avg'] : []),
      ...(variants.some(({ momentum }) => momentum !== 0) ? ['momentum_buffer'] : []),
    ];
  }

  override update({ parameter, gradient, state, lr, options }: Update<RMSpropOptions>): Updated {
    const { alpha, eps, momentum, centered, weightDecay } = options;
    const slope = withDecay(gradient, parameter, weightDecay);
    const mean = (name: string, x: Tensor): Tensor => (state[name] as Tensor).mul(alpha).add(x.mul(1 - alpha));
    const next: Record<string, Tensor> = { ...state, square_avg: mean('square_avg', slope.square()) };
    if (centered) next.grad_avg = mean('grad_avg', slope);
    const variance = next.square_avg as Tensor;
    const spread = centered ? variance.sub((next.grad_avg as Tensor).square()) : variance;
    const direction = slope.div(spread.sqrt().add(eps));
    if (momentum !== 0) next.momentum_buffer = (state.momentum_buffer as Tensor).mul(momentum).add(direction);
    const move = momentum === 0 ? direction : (next.momentum_buffer as Tensor);
    return { parameter: parameter.sub(move.mul(lr.cast('float32'))), state: next };
  }
}
