/** Variants of Adam: RAdam (Liu et al. 2020, arXiv:1908.03265) and NAdam (Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ). */
import type { Shape, Tensor } from '../graph/index.js';
import { boolean, type Checks, number } from '../options/index.js';
import { ADAM_OPTIONS, type AdamOptions, bias, moments } from './adam.js';
import {
  type CommonOptions,
  decayed,
  Optimizer,
  type Update,
  type Updated,
  withDecay,
  withDefaults,
} from './optimizer.js';

/** Options of RAdam by PyTorch's names. */
export interface RAdamOptions extends AdamOptions {
  /** Whether weights decay beside the gradient, as in AdamW. */
  readonly decoupledWeightDecay: boolean;
}

/** Options of NAdam by PyTorch's names. */
export interface NAdamOptions extends RAdamOptions {
  /** How fast the momentum grows to β₁. */
  readonly momentumDecay: number;
}

export const RADAM_OPTIONS: Checks<RAdamOptions> = { ...ADAM_OPTIONS, decoupledWeightDecay: boolean };
export const NADAM_OPTIONS: Checks<NAdamOptions> = { ...RADAM_OPTIONS, momentumDecay: number({ least: 0 }) };

const RADAM: RAdamOptions = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  decoupledWeightDecay: false,
};
const NADAM: NAdamOptions = { ...RADAM, lr: 2e-3, momentumDecay: 4e-3 };

/** Parameter and gradient with the decay in one of them. */
function withEither({ parameter, gradient, lr, options }: Update<RAdamOptions>): [Tensor, Tensor] {
  const { weightDecay, decoupledWeightDecay } = options;
  return decoupledWeightDecay
    ? [decayed(parameter, lr, weightDecay), gradient]
    : [parameter, withDecay(gradient, parameter, weightDecay)];
}

/** From this length of the averaged window on, its variance is known well enough to be divided by. */
const RELIABLE = 5;

/**
 * Adam whose rate is rectified while few gradients were seen: with ρ∞ = 2/(1 − β₂) − 1 and ρ = ρ∞ − 2tβ₂ᵗ/(1 − β₂ᵗ),
 * θ ← θ − γ·m̂·r·√(1 − β₂ᵗ)/(√v + ε), r² = (ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ), where ρ > 5, and θ ← θ − γ·m̂ before
 * (https://pytorch.org/docs/stable/generated/torch.optim.RAdam.html).
 */
export class RAdam extends Optimizer<RAdamOptions> {
  static readonly className: string = 'RAdam';
  readonly stateNames = ['exp_avg', 'exp_avg_sq'];

  /** @throws GlobalPercError on an unknown or negative option, or betas outside [0, 1). */
  constructor(given: Partial<RAdamOptions> & CommonOptions<RAdamOptions> = {}) {
    super(...withDefaults(given, RADAM_OPTIONS, RADAM, new.target.className));
  }

  override update(context: Update<RAdamOptions>): Updated {
    const { state, step, lr, options } = context;
    const [beta1, beta2] = options.betas;
    const [parameter, gradient] = withEither(context);
    const { mean, square } = moments(gradient, state, options);
    const correction = bias(beta2, step);
    const longest = 2 / (1 - beta2) - 1;
    const length = correction.subtractFrom(1).mul(step).mul(2).div(correction).subtractFrom(longest);
    const ratio = length
      .sub(4)
      .mul(length.sub(2))
      .div(length)
      .mul(longest / ((longest - 4) * (longest - 2)));
    const size = lr.div(bias(beta1, step));
    const rectified = ratio
      .maximum(0)
      .mul(correction)
      .sqrt()
      .mul(size)
      .cast('float32')
      .div(square.sqrt().add(options.eps));
    const factor = length.greater(RELIABLE).where(rectified, size.cast('float32'));
    return { parameter: parameter.sub(mean.mul(factor)), state: { exp_avg: mean, exp_avg_sq: square } };
  }
}

/**
 * Adam with Nesterov's momentum: with μₜ = β₁(1 − ½·0.96^(tψ)) and Mₜ = Πμ,
 * θ ← θ − γ·((1 − μₜ)/(1 − Mₜ)·g + μₜ₊₁/(1 − Mₜμₜ₊₁)·m) / (√(v/(1 − β₂ᵗ)) + ε), ψ the momentum decay (default 4·10⁻³), γ 2·10⁻³
 * (https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html).
 */
export class NAdam extends Optimizer<NAdamOptions> {
  static readonly className: string = 'NAdam';
  readonly stateNames = ['exp_avg', 'exp_avg_sq', 'mu_product'];

  /** @throws GlobalPercError on an unknown or negative option, or betas outside [0, 1). */
  constructor(given: Partial<NAdamOptions> & CommonOptions<NAdamOptions> = {}) {
    super(...withDefaults(given, NADAM_OPTIONS, NADAM, new.target.className));
  }

  override stateShapes(parameter: Shape): Readonly<Record<string, Shape>> {
    return { ...super.stateShapes(parameter), mu_product: [] };
  }

  override update(context: Update<NAdamOptions>): Updated {
    const { state, step, lr, options } = context;
    const { betas, eps, momentumDecay } = options;
    const [parameter, gradient] = withEither(context);
    const { mean, square } = moments(gradient, state, options);
    const momentum = (t: Tensor): Tensor =>
      step.graph
        .scalar(0.96, 'float64')
        .pow(t.mul(momentumDecay))
        .mul(-betas[0] / 2)
        .add(betas[0]);
    const [now, next] = [momentum(step), momentum(step.add(1))];
    // What is carried begins with zeros.
    const before = step.equal(1).where(step.graph.scalar(1, 'float64'), (state.mu_product as Tensor).cast('float64'));
    const product = before.mul(now);
    const share = (weight: Tensor, rest: Tensor): Tensor => lr.mul(weight).div(rest.subtractFrom(1)).cast('float32');
    const length = square.div(bias(betas[1], step).cast('float32')).sqrt().add(eps);
    const direction = gradient
      .mul(share(now.subtractFrom(1), product))
      .add(mean.mul(share(next, product.mul(next))))
      .div(length);
    return {
      parameter: parameter.sub(direction),
      state: { exp_avg: mean, exp_avg_sq: square, mu_product: product.cast('float32') },
    };
  }
}
