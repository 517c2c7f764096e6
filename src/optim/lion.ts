/** Lion (Chen et al. 2023, arXiv:2302.06675). */
import type { Tensor } from '../graph/index.js';
import { type Checks, number, pairOf } from '../options/index.js';
import {
  COMMON,
  type CommonOptions,
  decayed,
  Optimizer,
  type OptimizerOptions,
  type Update,
  type Updated,
  withDefaults,
} from './optimizer.js';

/** Options of Lion by the names of the paper's code. */
export interface LionOptions extends OptimizerOptions {
  /** Weight of the momentum in a step, and its decay. */
  readonly betas: readonly [number, number];
}

export const LION_OPTIONS: Checks<LionOptions> = { ...COMMON, betas: pairOf(number({ least: 0, below: 1 })) };

const DEFAULTS: LionOptions = { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 };

/**
 * θ ← θ − γλθ;  θ ← θ − γ·sign(β₁m + (1 − β₁)g);  m ← β₂m + (1 − β₂)g
 * with learning rate γ (default 10⁻⁴, a third to a tenth of Adam's), betas (0.9, 0.99), weight decay λ 0 (algorithm 2 of the paper).
 */
export class Lion extends Optimizer<LionOptions> {
  static readonly className: string = 'Lion';
  readonly stateNames = ['exp_avg'];

  /** @throws GlobalPercError on an unknown or negative option, or betas outside [0, 1). */
  constructor(given: Partial<LionOptions> & CommonOptions<LionOptions> = {}) {
    super(...withDefaults(given, LION_OPTIONS, DEFAULTS, new.target.className));
  }

  override update({ parameter, gradient, state, lr, options }: Update<LionOptions>): Updated {
    const { betas, weightDecay } = options;
    const momentum = state.exp_avg as Tensor;
    const mixed = (beta: number): Tensor => momentum.mul(beta).add(gradient.mul(1 - beta));
    const move = mixed(betas[0]).sign().mul(lr.cast('float32'));
    return { parameter: decayed(parameter, lr, weightDecay).sub(move), state: { exp_avg: mixed(betas[1]) } };
  }
}
