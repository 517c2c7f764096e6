/** Adam (Kingma and Ba 2015, arXiv:1412.6980) and AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101). */
import type { Tensor } from '../graph/index.js';
import { type Checks, checkOptions, number, pairOf } from '../options/index.js';
import {
  COMMON,
  type CommonOptions,
  decayed,
  Optimizer,
  type OptimizerOptions,
  type Update,
  type Updated,
  withCommon,
  withDecay,
  withDefaults,
} from './optimizer.js';

/** Options of Adam and AdamW by PyTorch's names. */
export interface AdamOptions extends OptimizerOptions {
  /** Decay of the running means of the gradient and of its square. */
  readonly betas: readonly [number, number];
  readonly eps: number;
}

export const ADAM_OPTIONS: Checks<AdamOptions> = {
  ...COMMON,
  betas: pairOf(number({ least: 0, below: 1 })),
  eps: number({ least: 0 }),
};

const DEFAULTS: AdamOptions = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 };

/**
 * g ← g + λθ;  m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  θ ← θ − γ/(1 − β₁ᵗ) · m/(√v/√(1 − β₂ᵗ) + ε)
 * with learning rate γ (default 10⁻³), betas (0.9, 0.999), ε 10⁻⁸, weight decay λ 0
 * (https://pytorch.org/docs/stable/generated/torch.optim.Adam.html).
 */
export class Adam extends Optimizer<AdamOptions> {
  static readonly className: string = 'Adam';
  readonly stateNames = ['exp_avg', 'exp_avg_sq'];

  /** @throws GlobalPercError on an unknown or negative option, or betas outside [0, 1). */
  constructor(given: Partial<AdamOptions> & CommonOptions<AdamOptions> = {}) {
    super(...withDefaults(given, ADAM_OPTIONS, DEFAULTS, new.target.className));
  }

  override update({ parameter, gradient, ...context }: Update<AdamOptions>): Updated {
    return moved({ parameter, gradient: withDecay(gradient, parameter, context.options.weightDecay), ...context });
  }
}

/**
 * θ ← θ − γλθ, then Adam's step on the plain gradient; λ is 10⁻² by default
 * (https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html).
 */
export class AdamW extends Adam {
  static override readonly className = 'AdamW';
  /** @throws GlobalPercError as Adam does. */
  constructor(given: Partial<AdamOptions> & CommonOptions<AdamOptions> = {}) {
    super({ weightDecay: 1e-2, ...checkOptions(given, withCommon(ADAM_OPTIONS), new.target.className) });
  }

  override update({ parameter, lr, ...context }: Update<AdamOptions>): Updated {
    return moved({ parameter: decayed(parameter, lr, context.options.weightDecay), lr, ...context });
  }
}

/** 1 − βᵗ, in float64: 1 − 0.999 loses four digits in float32. */
export const bias = (beta: number, step: Tensor): Tensor =>
  step.graph.scalar(beta, 'float64').pow(step).subtractFrom(1);

/** m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g² */
export function moments(
  gradient: Tensor,
  state: Update<AdamOptions>['state'],
  { betas: [beta1, beta2] }: AdamOptions,
): { readonly mean: Tensor; readonly square: Tensor } {
  return {
    mean: (state.exp_avg as Tensor).mul(beta1).add(gradient.mul(1 - beta1)),
    square: (state.exp_avg_sq as Tensor).mul(beta2).add(gradient.square().mul(1 - beta2)),
  };
}

/** Adam's step. */
function moved({ parameter, gradient, state, step, lr, options }: Update<AdamOptions>): Updated {
  const [beta1, beta2] = options.betas;
  const size = lr.div(bias(beta1, step)).cast('float32');
  const root = bias(beta2, step).sqrt().cast('float32');
  const { mean, square } = moments(gradient, state, options);
  const direction = mean.div(square.sqrt().div(root).add(options.eps));
  return { parameter: parameter.sub(direction.mul(size)), state: { exp_avg: mean, exp_avg_sq: square } };
}
