/** Stochastic gradient descent (https://pytorch.org/docs/stable/generated/torch.optim.SGD.html). */
import { GlobalPercError, type Tensor } from '../graph/index.js';
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

/** Options of SGD by PyTorch's names. */
export interface SGDOptions extends OptimizerOptions {
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
}

export const SGD_OPTIONS: Checks<SGDOptions> = {
  ...COMMON,
  momentum: number({ least: 0 }),
  dampening: number(),
  nesterov: boolean,
};

const DEFAULTS: SGDOptions = { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false };

/**
 * g ← g + λθ;  b ← μb + (1 − τ)g, b ← g at the first step;  g ← g + μb (Nesterov) or b;  θ ← θ − γg
 * with learning rate γ (default 10⁻³), momentum μ, dampening τ, weight decay λ (each 0 by default).
 */
export class SGD extends Optimizer<SGDOptions> {
  static readonly className: string = 'SGD';
  readonly stateNames: readonly string[];

  /** @throws GlobalPercError on an unknown or negative option, or Nesterov without momentum or with dampening. */
  constructor(given: Partial<SGDOptions> & CommonOptions<SGDOptions> = {}) {
    super(...withDefaults(given, SGD_OPTIONS, DEFAULTS, new.target.className));
    const variants = this.variants();
    if (variants.some(({ nesterov, momentum, dampening }) => nesterov && (momentum === 0 || dampening !== 0))) {
      throw new GlobalPercError('SGD: Nesterov needs a momentum and no dampening', { code: 'invalid-option' });
    }
    this.stateNames = variants.some(({ momentum }) => momentum !== 0) ? ['momentum_buffer'] : [];
  }

  override update({ parameter, gradient, state, step, lr, options }: Update<SGDOptions>): Updated {
    const { momentum, dampening, weightDecay, nesterov } = options;
    const decayed = withDecay(gradient, parameter, weightDecay);
    const moved = (direction: Tensor): Tensor => parameter.sub(direction.mul(lr.cast('float32')));
    if (momentum === 0) return { parameter: moved(decayed), state };
    const share = dampening === 0 ? decayed : decayed.mul(undamped(step, 1 - dampening));
    const buffer = (state.momentum_buffer as Tensor).mul(momentum).add(share);
    return {
      parameter: moved(nesterov ? decayed.add(buffer.mul(momentum)) : buffer),
      state: { momentum_buffer: buffer },
    };
  }
}

/** 1 at the first step, which sets the buffer to the gradient itself; then the given factor. */
const undamped = (step: Tensor, factor: number): Tensor =>
  step.equal(1).where(step.graph.scalar(1, 'float64'), factor).cast('float32');
