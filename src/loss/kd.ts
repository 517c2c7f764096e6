/** Logits drawn to those of a teacher. */
import { GlobalPercError, int, type Tensor } from '../graph/index.js';
import { type Checks, checkOptions, positive, required } from '../options/index.js';
import { channelAxis, REDUCTION, ReducedDistance, type Reduction } from './distances.js';

/** Options of KDLoss. */
export interface KDLossOptions {
  /** Softens both distributions: logits are divided by it. Hinton's range from 2 to 20. */
  readonly temperature: number;
  /** Default `'mean'`, over samples and places. */
  readonly reduction?: Reduction;
}

const KD: Checks<KDLossOptions> = { temperature: required(positive), reduction: REDUCTION };

/**
 * τ²·KL(softmax(B/τ) ‖ softmax(A/τ)) = τ²·Σ p·(log p − log q) over the classes: dim 1 of logits A of the student and B of the teacher, `[B, K]` or `[B, K, …]`, the last of
 * `[B, N, K]`. Of `[B, K]` it is PyTorch's `kl_div(log_softmax(A/τ, 1), softmax(B/τ, 1), reduction='batchmean')·τ²`; the factor keeps the gradient's size when τ is
 * another (Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531).
 */
export class KDLoss extends ReducedDistance {
  readonly temperature: number;
  readonly reduction: Reduction;

  /** @throws GlobalPercError without a temperature above 0, and on an unknown option. */
  constructor(options: KDLossOptions) {
    super();
    const { temperature, reduction = 'mean' } = checkOptions(options, KD, 'KDLoss');
    this.temperature = temperature;
    this.reduction = reduction;
  }

  /** One for each sample and place, in the rank of the input, with 1 for its classes. @throws GlobalPercError for what has no classes. */
  elements(input: Tensor, target: Tensor): Tensor {
    if (input.rank < 2)
      throw new GlobalPercError(`KDLoss compares logits [B, classes], got shape [${input.shape}]`, {
        code: 'invalid-option',
      });
    const [own, theirs] = [input, target].map((x) => this.logarithms(x)) as [Tensor, Tensor];
    const differences = theirs.exp().mul(theirs.sub(own));
    return differences.sum([channelAxis(input.shape)], true).mul(this.temperature ** 2);
  }

  protected override distances(input: Tensor, target: Tensor): Tensor {
    return this.elements(input, target);
  }

  private logarithms(x: Tensor): Tensor {
    const scaled = x.mul(1 / this.temperature);
    return x.graph.emit('LogSoftmax', [scaled], { axis: int(channelAxis(x.shape)) })[0] as Tensor;
  }
}
