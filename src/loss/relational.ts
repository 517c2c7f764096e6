/** What a batch's samples are to each other: distances and angles between their activations. */
import { GlobalPercError, type Shape, type Tensor } from '../graph/index.js';
import { type Distance, normalize, requireTensors, smoothL1 } from './distances.js';

/** Lower bound of a squared distance. */
const EPSILON = 1e-12;

/** A distance between relations in a batch; activations of any widths, sizes and ranks may be compared. */
export abstract class RelationalLoss implements Distance {
  /** Samples of which there is a relation. */
  protected abstract readonly least: number;

  /** The relations of samples `[B, width]`, and no gradient for one with itself. */
  protected abstract relations(samples: Tensor): Tensor;

  /** @throws GlobalPercError for a batch too small to hold a relation, and for data in place of symbolic tensors. */
  forward(input: Tensor, target: Tensor): Tensor {
    requireTensors(this, input, target);
    const [own, theirs] = [input, target].map((x) => this.relations(this.flat(x))) as [Tensor, Tensor];
    return smoothL1(own.sub(theirs.detach()), 1).mean();
  }

  /** Whether there are as many samples of both. */
  fits(input: Shape, target: Shape): boolean {
    return input[0] === target[0];
  }

  private flat(x: Tensor): Tensor {
    if (x.rank > 1 && x.dim(0) >= this.least) return x.reshape([x.dim(0), -1]);
    throw new GlobalPercError(
      `${this.constructor.name} compares samples with each other and needs a batch of ${this.least} or more, got shape [${x.shape}]`,
      { code: 'invalid-argument' },
    );
  }
}

/** xⱼ − xᵢ, `[B, B, width]`. */
const differences = (x: Tensor): Tensor => x.unsqueeze([0]).sub(x.unsqueeze([1]));

/**
 * Smooth L1 (β = 1) between ψ(Sᵢ, Sⱼ) and ψ(Tᵢ, Tⱼ), the mean over all pairs of a batch, where ψ(xᵢ, xⱼ) = ‖xᵢ − xⱼ‖/μ and μ is the mean distance of different
 * samples. Each sample's whole activation is one vector; student and teacher may have other widths. It takes B²·width numbers
 * (RKD-D: Park, Kim, Lu and Cho 2019, https://arxiv.org/abs/1904.05068).
 */
export class RKDDistanceLoss extends RelationalLoss {
  protected readonly least = 2;

  protected override relations(samples: Tensor): Tensor {
    const batch = samples.dim(0);
    const others = Float32Array.from({ length: batch * batch }, (_, i) => Number(i % (batch + 1) !== 0));
    const squares = differences(samples).square().sum([2]);
    const distances = squares
      .maximum(EPSILON)
      .sqrt()
      .mul(samples.constant(others, [batch, batch]));
    return distances.div(distances.sum().mul(1 / (batch * (batch - 1))));
  }
}

/**
 * Smooth L1 (β = 1) between the cosines of ∠(Sⱼ, Sᵢ, Sₖ) and ∠(Tⱼ, Tᵢ, Tₖ), the mean over all i, j, k of a batch. Each sample's whole activation is one
 * vector; student and teacher may have other widths. It takes B²·width numbers (RKD-A: Park, Kim, Lu and Cho 2019,
 * https://arxiv.org/abs/1904.05068).
 */
export class RKDAngleLoss extends RelationalLoss {
  protected readonly least = 3;

  protected override relations(samples: Tensor): Tensor {
    const directions = normalize(differences(samples), 2);
    return directions.matmul(directions.swapAxes(1, 2));
  }
}
