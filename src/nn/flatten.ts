/** Layers that leave the elements as they are. */
import { normalizeAxis, sizeOf, type Tensor } from '../graph/index.js';
import { Module } from './module.js';

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

/** The dimensions from startDim to endDim as one (https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html). */
export class Flatten extends Module {
  static readonly className = 'Flatten';
  readonly startDim: number;
  readonly endDim: number;

  constructor({ startDim = 1, endDim = -1 }: FlattenOptions = {}) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  /** @throws GlobalPercError when x has no such dimensions. */
  override forward(x: Tensor): Tensor {
    const [start, end] = [normalizeAxis(this.startDim, x.rank), normalizeAxis(this.endDim, x.rank) + 1];
    return x.reshape([...x.shape.slice(0, start), sizeOf(x.shape.slice(start, end)), ...x.shape.slice(end)]);
  }
}
