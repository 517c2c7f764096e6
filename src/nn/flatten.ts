/** Layers that leave the elements as they are. */
import { GlobalPercError, normalizeAxis, sizeOf, type Tensor } from '../graph/index.js';
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
  /** Default 1 for the layer, 0 for the function. */
  readonly startDim?: number;
  /** Default −1. */
  readonly endDim?: number;
}

/**
 * The dimensions from startDim to endDim as one (https://pytorch.org/docs/stable/generated/torch.flatten.html).
 * @throws GlobalPercError when x has no such dimensions, or endDim comes before startDim.
 */
export function flatten(x: Tensor, { startDim = 0, endDim = -1 }: FlattenOptions = {}): Tensor {
  const [start, end] = [normalizeAxis(startDim, x.rank), normalizeAxis(endDim, x.rank) + 1];
  if (end <= start) {
    throw new GlobalPercError(`flatten: endDim ${endDim} comes before startDim ${startDim} of [${x.shape}]`);
  }
  return x.reshape([...x.shape.slice(0, start), sizeOf(x.shape.slice(start, end)), ...x.shape.slice(end)]);
}

/** As flatten, by default from dimension 1 on (https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html). */
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
    return flatten(x, { startDim: this.startDim, endDim: this.endDim });
  }
}
