/** Layers that leave the elements as they are. */
import { GlobalPercError, normalizeAxis, type Shape, sizeOf, type Tensor } from '../../graph/index.js';
import { type Checks, checkOptions, count, integer, listOf } from '../../options/index.js';
import { channelShuffle } from '../functional/upsampling.js';
import { Module } from '../module.js';
import { reshapeBehind } from '../sizes.js';

/** The input (https://pytorch.org/docs/stable/generated/torch.nn.Identity.html). */
export class Identity extends Module {
  static readonly className = 'Identity';
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** Options of Flatten. */
export interface FlattenOptions {
  /** Default 1. */
  readonly startDim?: number;
  /** Default −1. */
  readonly endDim?: number;
}

const checks: Checks<FlattenOptions> = { startDim: integer(), endDim: integer() };

/** The dimensions from startDim to endDim as one (https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html). */
export class Flatten extends Module {
  static readonly className = 'Flatten';
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: FlattenOptions = {}) {
    super();
    const { startDim = 1, endDim = -1 } = checkOptions(options, checks, this.className);
    this.startDim = startDim;
    this.endDim = endDim;
  }

  /** @throws GlobalPercError when x has no such dimensions, or endDim comes before startDim. */
  override forward(x: Tensor): Tensor {
    const { startDim, endDim } = this;
    const [start, end] = [normalizeAxis(startDim, x.rank), normalizeAxis(endDim, x.rank) + 1];
    if (end <= start) {
      throw new GlobalPercError(
        `${this.className}: endDim ${endDim} comes before startDim ${startDim} of [${x.shape}]`,
        { code: 'invalid-argument' },
      );
    }
    return reshapeBehind(x, start, [sizeOf(x.shape.slice(start, end)), ...x.shape.slice(end)]);
  }
}

/** Dimension `dim` as several (https://pytorch.org/docs/stable/generated/torch.nn.Unflatten.html). */
export class Unflatten extends Module {
  static readonly className = 'Unflatten';
  readonly dim: number;
  readonly unflattenedSize: Shape;

  /** @param unflattenedSize integers from 1 on, one of which may be −1: what the others leave. */
  constructor(dim: number, unflattenedSize: Shape) {
    super();
    this.dim = integer()(dim, `${this.className}: dim`);
    this.unflattenedSize = listOf(integer(-1))(unflattenedSize, `${this.className}: unflattenedSize`);
    const open = this.unflattenedSize.filter((size) => size < 1);
    if (this.unflattenedSize.length > 0 && open.length <= 1 && !open.includes(0)) return;
    throw new GlobalPercError(
      `${this.className}: unflattenedSize should be integers from 1 on, one of which may be -1, got [${unflattenedSize}]`,
      { code: 'invalid-option' },
    );
  }

  /** @throws GlobalPercError when the sizes do not make up the dimension. */
  override forward(x: Tensor): Tensor {
    const axis = normalizeAxis(this.dim, x.rank);
    const known = sizeOf(this.unflattenedSize.filter((size) => size > 0));
    const sizes = this.unflattenedSize.map((size) => (size < 0 ? x.dim(axis) / known : size));
    if (sizeOf(sizes) !== x.dim(axis) || !sizes.every(Number.isInteger)) {
      throw new GlobalPercError(
        `${this.className}: [${this.unflattenedSize}] does not make up dimension ${this.dim} of [${x.shape}]`,
        { code: 'invalid-argument' },
      );
    }
    return reshapeBehind(x, axis, [...sizes, ...x.shape.slice(axis + 1)]);
  }
}

/**
 * Channel i of n in group g becomes channel i·groups + g: `[B, C, …]` → `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.ChannelShuffle.html).
 */
export class ChannelShuffle extends Module {
  static readonly className = 'ChannelShuffle';
  readonly groups: number;

  constructor(groups: number) {
    super();
    this.groups = count(groups, `${this.className}: groups`);
  }

  /** @throws GlobalPercError when the groups do not divide the channels. */
  override forward(x: Tensor): Tensor {
    return channelShuffle(x, this.groups);
  }
}
