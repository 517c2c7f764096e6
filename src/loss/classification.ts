/** Losses of logits against classes or probabilities, with PyTorch's formulas. */
import {
  constantOf,
  GlobalPercError,
  int,
  type Shape,
  sameShape,
  type Tensor,
  type TensorType,
} from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import { type Check, type Checks, checkOptions, integer, listOf, number } from '../options/index.js';
import type { HostTensor } from '../runtime/index.js';
import { reduce, requireTensors } from './distances.js';
import { ElementwiseLoss, PIXEL, PixelLoss, type PixelLossOptions } from './pixel-loss.js';

/** Options of BCEWithLogitsLoss. */
export interface BCEWithLogitsLossOptions extends PixelLossOptions {
  /** Factors that broadcast to the input: a list is one per element of the last dimension. */
  readonly weight?: Factors;
  /** Factors of the positive class, in the same way. */
  readonly posWeight?: Factors;
}

/** A list, or a tensor such as `{ dims: [C, 1, 1], data }`. */
export type Factors = readonly number[] | TensorLike;

const numbers = listOf(number());
const factors: Check<Factors> = (value, where) =>
  Array.isArray(value) ? numbers(value, where) : toFloat32(value as TensorLike, where);

const BCE: Checks<BCEWithLogitsLossOptions> = { ...PIXEL, weight: factors, posWeight: factors };

/**
 * w·((1 − y)·x + (1 + (p − 1)·y)·log(1 + e⁻ˣ)), x logits, y in [0, 1], of one shape
 * (https://pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html)
 */
export class BCEWithLogitsLoss extends ElementwiseLoss {
  readonly weight: Factors | undefined;
  readonly posWeight: Factors | undefined;

  /** @throws GlobalPercError on an unknown option, or factors that are no numbers. */
  constructor(given: BCEWithLogitsLossOptions = {}) {
    const { weight, posWeight, ...options } = checkOptions(given, BCE, new.target.name);
    super(options);
    this.weight = weight;
    this.posWeight = posWeight;
  }

  override elements(input: Tensor, target: Tensor): Tensor {
    const softplus = input.neg().unary('Softplus');
    const positive = this.posWeight ? target.mul(vector(target, this.posWeight).sub(1)).add(1) : undefined;
    const loss = target
      .subtractFrom(1)
      .mul(input)
      .add(positive ? softplus.mul(positive) : softplus);
    return this.weight ? loss.mul(vector(loss, this.weight)) : loss;
  }
}

/** Options of CrossEntropyLoss. */
export interface CrossEntropyLossOptions extends PixelLossOptions {
  /** Factor of each class. */
  readonly weight?: readonly number[];
  /** Class index that counts for nothing. Default −100. */
  readonly ignoreIndex?: number;
  /** Share of the target that is spread over all classes; from 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
}

const CROSS_ENTROPY: Checks<CrossEntropyLossOptions> = {
  ...PIXEL,
  weight: numbers,
  ignoreIndex: integer(),
  labelSmoothing: number({ least: 0, most: 1 }),
};

/**
 * −Σ_c w_c·y_c·log softmax(x)_c over dim 1 of logits `[N, C, …]`. The target is class indices `[N, …]` – then the mean is
 * over the weights of the classes – or probabilities of the input's shape
 * (https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html)
 */
export class CrossEntropyLoss extends PixelLoss {
  readonly weight: readonly number[] | undefined;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;

  /** @throws GlobalPercError on an unknown option, or when labelSmoothing is outside [0, 1]. */
  constructor(given: CrossEntropyLossOptions = {}) {
    const {
      weight,
      ignoreIndex = -100,
      labelSmoothing = 0,
      ...options
    } = checkOptions(given, CROSS_ENTROPY, new.target.name);
    super(options);
    this.weight = weight;
    this.ignoreIndex = ignoreIndex;
    this.labelSmoothing = labelSmoothing;
  }

  /** Class indices. */
  protected override targetType({ shape }: TensorType): TensorType {
    return { dtype: 'int64', shape: shape.toSpliced(1, 1) };
  }

  protected override comparable(input: Tensor, target: Tensor): boolean {
    return sameShape(target.shape, target.rank === input.rank ? input.shape : input.shape.toSpliced(1, 1));
  }

  /** Classes that there are, or the ignored one. */
  protected override requireTarget({ dims, data }: HostTensor, output: Shape): void {
    const classes = output[1] ?? 0;
    if (data === undefined || dims.length === output.length) return;
    const known = (index: number): boolean => Number.isInteger(index) && index >= 0 && index < classes;
    const wrong = Array.from(data as ArrayLike<number>, Number).find(
      (index) => !known(index) && index !== this.ignoreIndex,
    );
    if (wrong === undefined) return;
    throw new GlobalPercError(
      `CrossEntropyLoss: the target holds class ${wrong}, the output [${output}] has the classes 0 to ${classes - 1}; ` +
        `what should not count is class ${this.ignoreIndex}, or another by ignoreIndex`,
      { code: 'invalid-argument' },
    );
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    requireTensors(this, input, target);
    const logarithms = input.graph.emit('LogSoftmax', [input], { axis: int(1) })[0] as Tensor;
    return target.rank === input.rank
      ? this.ofProbabilities(logarithms, target)
      : this.ofClasses(logarithms, target.cast('int64'));
  }

  /** −Σ w_c·((1 − ε)·y_c + ε/C)·log p_c */
  private ofProbabilities(logarithms: Tensor, target: Tensor): Tensor {
    const loss = this.summed(logarithms, this.smoothed(target, logarithms.dim(1)));
    return this.reduction === 'mean' ? loss.sum().mul(1 / loss.size) : reduce(loss, this.reduction);
  }

  /** The same with y = 1 at the class alone; ignored places count neither in the sum nor in the mean. */
  private ofClasses(logarithms: Tensor, indices: Tensor): Tensor {
    const { graph } = logarithms;
    const classes = logarithms.dim(1);
    const values = graph.constant(constantOf('float32', [2], [0, 1]));
    const [chosen] = graph.emit('OneHot', [indices, graph.ints([classes]), values], { axis: int(1) }) as [Tensor];
    const counted = indices.equal(this.ignoreIndex).logicalNot().cast('float32').unsqueeze([1]);
    const target = chosen.mul(counted);
    const loss = this.summed(logarithms, this.smoothed(target, classes, counted));
    if (this.reduction !== 'mean') return reduce(loss, this.reduction);
    return loss.sum().div(this.weighted(target).sum());
  }

  private smoothed(target: Tensor, classes: number, counted?: Tensor): Tensor {
    const share = this.labelSmoothing;
    if (share === 0) return target;
    const spread = share / classes;
    return target.mul(1 - share).add(counted ? counted.mul(spread) : spread);
  }

  private summed(logarithms: Tensor, target: Tensor): Tensor {
    return this.weighted(target).mul(logarithms).sum([1]).neg();
  }

  private weighted(target: Tensor): Tensor {
    if (this.weight === undefined) return target;
    const perClass = target.shape.slice(1).map((_, i) => (i === 0 ? target.dim(1) : 1));
    return target.mul(vector(target, this.weight).reshape(perClass));
  }
}

function vector({ graph }: Tensor, factors: Factors): Tensor {
  const { dims, data } = 'dims' in factors ? factors : { dims: [factors.length], data: factors };
  return graph.constant(constantOf('float32', dims, Array.from(data as ArrayLike<number>, Number)));
}
