/**
 * Distances between two activations, as graphs. The second argument is a target: no gradient reaches it.
 */
import { GlobalPercError, int, kindOf, type Shape, Tensor } from '../graph/index.js';
import { type Checks, checkOptions, integer, oneOf } from '../options/index.js';
import type { HookSite } from './description.js';

/** A distance between the activations of prediction and target; any `nn` loss is one. */
export interface Distance {
  /** A scalar, or a tensor where the reduction is 'none'. */
  forward(input: Tensor, target: Tensor): Tensor;
  /**
   * The distances whose mean or sum `forward` is, a sample's at its index in dim 0. In the input's rank, with 1 for every
   * dimension that a distance spans, they have a place in the image; without them a loss tells no samples apart, and has
   * neither map nor mask.
   */
  elements?(input: Tensor, target: Tensor): Tensor;
  /** How `forward` reduces its elements. Default `'mean'`. */
  readonly reduction?: Reduction;
  /** Whether it compares activations of these shapes as they are. Default: equal ones alone. */
  fits?(input: Shape, target: Shape): boolean;
}

/** What `GlobalPercConfig` takes: one distance for all hooks, or one for each. */
export type LossFunc = Distance | ((hook: HookSite) => Distance);

/** How elementwise distances become one number. */
export type Reduction = 'mean' | 'sum' | 'none';
export const REDUCTION = oneOf<Reduction>('mean', 'sum', 'none');

/** What is compared: angles, values scaled by the prediction's range or its spread, or plain values. */
export type Normalization = 'cosine' | 'minmax' | 'instancenorm' | 'none';

interface NormalizedTensorLossOptions {
  readonly type?: 'l1' | 'l2';
  readonly reduction?: Reduction;
  readonly norm?: Normalization;
}

export const NORMALIZED: Checks<NormalizedTensorLossOptions> = {
  type: oneOf('l1', 'l2'),
  reduction: REDUCTION,
  norm: oneOf('cosine', 'minmax', 'instancenorm', 'none'),
};

/** Mean or sum over all elements, or the elements themselves. */
export function reduce(distance: Tensor, reduction: Reduction): Tensor {
  if (REDUCTION(reduction, 'reduction') === 'none') return distance;
  return reduction === 'mean' ? distance.mean() : distance.sum();
}

/** @throws GlobalPercError for data in place of symbolic tensors: `forward` of a loss or distance writes a graph and computes nothing. */
export function requireTensors(owner: object, ...given: readonly unknown[]): void {
  const wrong = given.findIndex((value) => !(value instanceof Tensor));
  if (wrong === -1) return;
  throw new GlobalPercError(
    `${owner.constructor.name}.forward writes a graph and takes two symbolic tensors, got ${kindOf(given[wrong])}; for data, use ` +
      'loss.evaluate(pred, target) or valueAndGrad; a distance between activations is the lossFunc of a GlobalPercConfig',
    { code: 'invalid-argument' },
  );
}

/** A distance that reduces elements or parts of them. */
export abstract class ReducedDistance implements Distance {
  abstract readonly reduction: Reduction;

  /**
   * The distances, reduced: a scalar, or what `distances` gives where the reduction is 'none'.
   * @throws GlobalPercError where the tensors cannot be compared, and for data in place of symbolic tensors.
   */
  forward(input: Tensor, target: Tensor): Tensor {
    requireTensors(this, input, target);
    return reduce(this.distances(input, target), this.reduction);
  }

  /** What is reduced, in the shape that it has where the reduction is 'none'. */
  protected abstract distances(input: Tensor, target: Tensor): Tensor;
}

/** Dimensions from the third on become one, for tensors of rank above 3. */
const flattenSpatial = (x: Tensor): Tensor => (x.rank > 3 ? x.reshape([x.dim(0), x.dim(1), -1]) : x);

/** Lower bound of each norm in a cosine. */
const COSINE_EPSILON = 1e-8;

/**
 * x·y / (max(‖x‖, ε)·max(‖y‖, ε)) along `axis`, which becomes 1. No gradient reaches y, and as in PyTorch none passes the bound, and
 * that of a zero vector's norm is 0 (https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html):
 *
 * ∂x = d/(max(‖x‖, ε)·max(‖y‖, ε)) · (y − k·x), k = x·y / (max(‖x‖, ε)·‖x‖)
 *
 * It is written down, since what the single rules make of it takes twice as many nodes. Where ‖x‖ < ε², k·x is less than what
 * float32 resolves of y.
 */
function cosineSimilarity(x: Tensor, y: Tensor, axis: number): Tensor {
  const alongAxis = (product: Tensor): Tensor => product.sum([axis], true);
  const length = norm(x, axis, true).detach();
  const bounds = [length.maximum(COSINE_EPSILON), norm(y, axis, true).maximum(COSINE_EPSILON).detach()] as const;
  const projection = alongAxis(x.mul(y)).div(bounds[0]);
  const k = projection.div(length.maximum(COSINE_EPSILON ** 2));
  const direction = y.sub(k.mul(x)).detach();
  const withSlope = alongAxis(x.mul(direction)).div(bounds[0]).div(bounds[1]);
  return withSlope.add(projection.div(bounds[1]).sub(withSlope).detach());
}

/** ‖x‖ along `axis`, that of a zero vector without gradient. */
export function norm(x: Tensor, axis: number, keepdims = false): Tensor {
  return x.graph.emit('ReduceL2', [x, x.graph.ints([axis])], { keepdims: int(Number(keepdims)) })[0] as Tensor;
}

/** Where an activation's channels are: the last dim of tokens `[B, N, C]`, dim 1 of all else. */
export const channelAxis = ({ length }: Shape): number => (length === 3 ? 2 : 1);

/** The samples and places of an activation: all its dimensions but the channels. */
export const withoutChannels = (shape: Shape): Shape => shape.toSpliced(channelAxis(shape), 1);

/** x/max(‖x‖, 10⁻¹²) along `axis` (https://pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html) */
export const normalize = (x: Tensor, axis: number): Tensor => x.div(norm(x, axis, true).maximum(1e-12));

/** d²/2β where |d| < β, |d| − β/2 elsewhere; β = 0 gives |d|. */
export function smoothL1(difference: Tensor, beta: number): Tensor {
  const size = difference.abs();
  if (beta === 0) return size;
  const inside = difference.square().mul(0.5 / beta);
  return size.less(beta).where(inside, size.sub(0.5 * beta));
}

/** The extreme element along the last axis; at a tie the first one takes the gradient, as in `torch.min(x, dim)`. */
function firstExtreme(x: Tensor, op: 'ArgMin' | 'ArgMax'): Tensor {
  const axis = int(x.rank - 1);
  const [place] = x.graph.emit(op, [x], { axis, keepdims: int(1) });
  return x.graph.emit('GatherElements', [x, place], { axis })[0] as Tensor;
}

/** (a − min a)/range − (b − min a)/range over the last axis, range = |max a − min a| + 0.01. */
function minmaxDifference(a: Tensor, b: Tensor): Tensor {
  const low = firstExtreme(a, 'ArgMin');
  const range = firstExtreme(a, 'ArgMax').sub(low).abs().add(1e-2);
  return a.sub(low).div(range).sub(b.sub(low).div(range).detach());
}

/** (a − μ)/σ − (b − μ)/σ over the last axis, μ and σ = √(var + 10⁻⁵) those of a, var unbiased. */
function instanceDifference(a: Tensor, b: Tensor): Tensor {
  if (a.dim(-1) < 2) {
    throw new GlobalPercError(
      `instancenorm divides by the spread over the last dimension, and one value has none, got shape [${a.shape}]: ` +
        "hook modules in front of the pooling, or take norm 'cosine' or 'none' there: lossFunc: (hook) => …",
      { code: 'invalid-option' },
    );
  }
  const mean = a.mean([-1], true);
  const centered = a.sub(mean);
  const variance = centered
    .square()
    .sum([-1], true)
    .mul(1 / (a.dim(-1) - 1));
  const deviation = variance.add(1e-5).sqrt();
  return centered.div(deviation).sub(b.sub(mean).div(deviation).detach());
}

/**
 * |d| or d², where d compares activations A of the prediction with B of the target after a normalisation:
 * - `cosine`: d = cos(A, B) − 1 over dim 1;
 * - `minmax`: both shifted and scaled by minimum and range of A over the last dim (dims from 2 on flattened), B constant;
 * - `instancenorm`: both by mean and unbiased standard deviation of A, B constant;
 * - `none`: d = A − B.
 */
export class NormalizedTensorLoss extends ReducedDistance {
  readonly type: 'l1' | 'l2';
  readonly reduction: Reduction;
  readonly norm: Normalization;

  /** @throws GlobalPercError on an unknown type, reduction or norm. */
  constructor(type: 'l1' | 'l2' = 'l1', reduction: Reduction = 'mean', norm: Normalization = 'cosine') {
    super();
    checkOptions({ type, reduction, norm }, NORMALIZED, 'NormalizedTensorLoss');
    this.type = type;
    this.reduction = reduction;
    this.norm = norm;
  }

  /**
   * |d| or d² with a place for each: in the shape of the input, under `cosine` with 1 for dim 1.
   * @throws GlobalPercError as `forward` does.
   */
  elements(input: Tensor, target: Tensor): Tensor {
    return this.compared(input, target).reshape(this.norm === 'cosine' ? input.shape.with(1, 1) : input.shape);
  }

  protected override distances(input: Tensor, target: Tensor): Tensor {
    const distances = this.compared(input, target);
    return this.norm === 'cosine' ? distances.reshape(input.shape.toSpliced(1, 1)) : distances;
  }

  /** |d| or d² with dims from 2 on flattened, as they are compared. */
  private compared(input: Tensor, target: Tensor): Tensor {
    const difference = this.difference(input, target);
    return this.type === 'l1' ? difference.abs() : difference.square();
  }

  private difference(input: Tensor, target: Tensor): Tensor {
    switch (this.norm) {
      case 'none':
        return input.sub(target);
      case 'cosine':
        if (input.rank < 2)
          throw new GlobalPercError(
            `a cosine over dim 1 needs rank 2 or more, got shape [${input.shape}]: take norm 'none' there, lossFunc: (hook) => …`,
            {
              code: 'invalid-option',
            },
          );
        // Places as one dimension: a sum over channels is then a product as it stands.
        return cosineSimilarity(flattenSpatial(input), flattenSpatial(target), 1).sub(1);
      case 'minmax':
        return minmaxDifference(flattenSpatial(input), flattenSpatial(target));
      case 'instancenorm':
        return instanceDifference(flattenSpatial(input), flattenSpatial(target));
    }
  }
}

/** Options of CosineLoss. */
export interface CosineLossOptions {
  /** Dimension of the vectors that are compared. Default −1. */
  readonly dim?: number;
  /** Default `'mean'`. */
  readonly reduction?: Reduction;
}

const COSINE: Checks<CosineLossOptions> = { dim: integer(), reduction: REDUCTION };

/**
 * (1 − cos(A, B))² over `dim`, after dims from 2 on of a tensor of rank above 3 are flattened. It is of fourth order in
 * the angle: near the optimum its gradient vanishes in float32, and it does not see scale. As in PyTorch, a vector of zeros has
 * the cosine 0 with any other, so that channels that are 0 in both images count as wholly different, and equal images do not have
 * the loss 0. Prefer `NormalizedTensorLoss('l1')`, or add a pixel loss, where small differences matter.
 */
export class CosineLoss extends ReducedDistance {
  readonly dim: number;
  readonly reduction: Reduction;

  /** @throws GlobalPercError on an unknown option or a value of the wrong type. */
  constructor(options: CosineLossOptions = {}) {
    super();
    const { dim = -1, reduction = 'mean' } = checkOptions(options, COSINE, 'CosineLoss');
    this.dim = dim;
    this.reduction = reduction;
  }

  /**
   * The distances in the rank of the input, with 1 for `dim`; where `dim` spans the flattened dims, with 1 for each of them.
   * @throws GlobalPercError as `forward` does.
   */
  elements(input: Tensor, target: Tensor): Tensor {
    const distances = this.distances(input, target);
    const flat = distances.unsqueeze([this.dim < 0 ? this.dim + distances.rank + 1 : this.dim]);
    if (flat.rank === input.rank) return flat;
    const space = flat.dim(2) === 1 ? input.shape.slice(2).map(() => 1) : input.shape.slice(2);
    return flat.reshape([...flat.shape.slice(0, 2), ...space]);
  }

  protected override distances(input: Tensor, target: Tensor): Tensor {
    const cosine = cosineSimilarity(flattenSpatial(input), flattenSpatial(target), this.dim);
    return cosine.sub(1).squeeze([this.dim]).square();
  }
}
