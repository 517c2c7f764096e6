/** Windows of images as columns, and back, as layers. */
import type { Tensor } from '../../graph/index.js';
import { checkOptions } from '../../options/index.js';
import { fold, unfold } from '../functional/fold.js';
import { Module } from '../module.js';
import { type FoldOptions, foldChecks } from '../options/fold.js';
import { type PerAxis, perAxis } from '../sizes.js';

/**
 * The windows of `[B, C, H, W]`, one column each: `[B, C·kernel, windows]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.Unfold.html).
 */
export class Unfold extends Module {
  static readonly className = 'Unfold';
  readonly kernelSize: readonly number[];
  readonly options: FoldOptions;

  constructor(kernelSize: PerAxis, options: FoldOptions = {}) {
    super();
    this.kernelSize = perAxis(2)(kernelSize, `${this.className}: kernelSize`);
    this.options = checkOptions(options, foldChecks, this.className);
  }

  /** @throws GlobalPercError on another rank, and when a window does not fit. */
  override forward(x: Tensor): Tensor {
    return unfold(x, this.kernelSize, this.options);
  }
}

/**
 * The image `[B, C, ...outputSize]` that columns `[B, C·kernel, windows]` add up to
 * (https://pytorch.org/docs/stable/generated/torch.nn.Fold.html).
 */
export class Fold extends Module {
  static readonly className = 'Fold';
  readonly outputSize: readonly number[];
  readonly kernelSize: readonly number[];
  readonly options: FoldOptions;

  constructor(outputSize: PerAxis, kernelSize: PerAxis, options: FoldOptions = {}) {
    super();
    this.outputSize = perAxis(2)(outputSize, `${this.className}: outputSize`);
    this.kernelSize = perAxis(2)(kernelSize, `${this.className}: kernelSize`);
    this.options = checkOptions(options, foldChecks, this.className);
  }

  /** @throws GlobalPercError when the columns do not belong to such an image. */
  override forward(x: Tensor): Tensor {
    return fold(x, this.outputSize, this.kernelSize, this.options);
  }
}
