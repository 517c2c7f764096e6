/** Adafactor (Shazeer and Stern 2018, arXiv:1804.04235). */
import type { Shape, Tensor } from '../graph/index.js';
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

/** Options of Adafactor by PyTorch's names. */
export interface AdafactorOptions extends OptimizerOptions {
  /** Exponent of the step in the weight of a new square. */
  readonly beta2Decay: number;
  /** Least mean square of a gradient, as a root, and least size of a parameter. */
  readonly eps: readonly [number, number];
  /** Root mean square from which an update is scaled down. */
  readonly d: number;
}

export const ADAFACTOR_OPTIONS: Checks<AdafactorOptions> = {
  ...COMMON,
  beta2Decay: number({ most: 0 }),
  eps: pairOf(number({ least: 0 })),
  d: number({ least: 1 }),
};

const DEFAULTS: AdafactorOptions = { lr: 1e-2, beta2Decay: -0.8, eps: [2 ** -23, 1e-3], d: 1, weightDecay: 0 };

/** √(Σx²/n) */
const rootMeanSquare = (x: Tensor): Tensor => x.square().mean().sqrt();

/**
 * Adam without momentum whose squares are kept as the outer product of their means over rows R and over columns C: with ω = t^β
 * (β −0.8), R ← R + ω(mean g² − R) over the last dimension and C over the one before, V = R·C/max(mean R, ε₁), or V ← V + ω(g² − V) for vectors;
 * u = g/√max(V, ε₁²);  θ ← θ − γλθ;  θ ← θ − min(γ, 1/√t)·max(ε₂, rms θ)·u/max(1, rms(u)/d)
 * with learning rate γ (default 10⁻²), ε (2⁻²³, 10⁻³), d 1, weight decay λ 0; rms θ is that before the decay
 * (https://pytorch.org/docs/stable/generated/torch.optim.Adafactor.html).
 */
export class Adafactor extends Optimizer<AdafactorOptions> {
  static readonly className: string = 'Adafactor';
  readonly stateNames = ['row_var', 'col_var', 'variance'];

  /** @throws GlobalPercError on an unknown option or one out of range. */
  constructor(given: Partial<AdafactorOptions> & CommonOptions<AdafactorOptions> = {}) {
    super(...withDefaults(given, ADAFACTOR_OPTIONS, DEFAULTS, new.target.className));
  }

  override stateShapes(parameter: Shape): Readonly<Record<string, Shape>> {
    if (parameter.length < 2) return { variance: parameter };
    const [rows, columns] = parameter.slice(-2) as [number, number];
    const outer = parameter.slice(0, -2);
    return { row_var: [...outer, rows, 1], col_var: [...outer, 1, columns] };
  }

  override update({ parameter, gradient, state, step, lr, options }: Update<AdafactorOptions>): Updated {
    const { beta2Decay, eps, d, weightDecay } = options;
    const weight = step.pow(beta2Decay).cast('float32');
    const toward = (name: string, x: Tensor): Tensor => {
      const before = state[name] as Tensor;
      return before.add(x.sub(before).mul(weight));
    };
    const squares = gradient.square();
    const next: Record<string, Tensor> =
      gradient.rank < 2
        ? { variance: toward('variance', squares) }
        : {
            row_var: toward('row_var', squares.mean([-1], true)),
            col_var: toward('col_var', squares.mean([-2], true)),
          };
    const update = gradient.div(
      estimateOf(next, eps[0])
        .maximum(eps[0] ** 2)
        .sqrt(),
    );
    const size = lr.minimum(step.sqrt().reciprocal()).cast('float32').mul(rootMeanSquare(parameter).maximum(eps[1]));
    const clipped = update.div(rootMeanSquare(update).div(d).maximum(1));
    return { parameter: decayed(parameter, lr, weightDecay).sub(clipped.mul(size)), state: next };
  }
}

function estimateOf({ variance, row_var, col_var }: Readonly<Record<string, Tensor>>, least: number): Tensor {
  if (variance) return variance;
  const [rows, columns] = [row_var as Tensor, col_var as Tensor];
  return rows.matmul(columns).div(rows.mean([-2], true).maximum(least));
}
