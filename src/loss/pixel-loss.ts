/** What losses of two images share: a formula of both, and how elements become one number. */
import { type Shape, sameShape, type Tensor, type TensorType } from '../graph/index.js';
import { type Checks, checkOptions } from '../options/index.js';
import type { HostTensor } from '../runtime/index.js';
import { differentShapes, type LossDescription } from './description.js';
import { REDUCTION, type Reduction, reduce, requireTensors } from './distances.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { Measured } from './measured.js';
import { requireMasked } from './parts.js';
import { View } from './view.js';

/** Options of the elementwise losses. */
export interface PixelLossOptions extends LossOptions {
  /** `'none'` is meaningful only inside another graph. Default `'mean'`. */
  readonly reduction?: Reduction;
}

export const PIXEL: Checks<PixelLossOptions> = { ...LOSS, reduction: REDUCTION };

/** A loss of two tensors as they are. */
export abstract class PixelLoss extends Loss {
  readonly reduction: Reduction;
  readonly description: LossDescription<Tensor> = {
    // biome-ignore-start lint/correctness/useYield: nothing to ask the engine
    *prediction({ output }) {
      return output;
    },
    *target({ target }) {
      return target;
    },
    // biome-ignore-end lint/correctness/useYield: nothing to ask the engine
    targetType: (output) => this.targetType(output),
    requireTarget: (target, output) => this.requireTarget(target, output),
    compare: (prediction, target, scene) => {
      if (!this.comparable(prediction, target)) throw differentShapes(scene.output.shape, scene.targetShape);
      const measured = new Measured(this, prediction, target, new View(scene));
      requireMasked(scene, [measured]);
      return { loss: measured.loss, hooks: [], summands: [{ weight: 1, part: measured }] };
    },
  };

  /** @throws GlobalPercError on an unknown option or a value of the wrong type. */
  constructor(given: PixelLossOptions = {}) {
    const { reduction = 'mean', ...options } = checkOptions(given, PIXEL, new.target.name);
    super(options);
    this.reduction = reduction;
  }

  /** The loss as a graph; the result is a scalar unless reduction is 'none'. */
  abstract forward(input: Tensor, target: Tensor): Tensor;

  /** What `forward` reduces, as in `Distance`; absent where it is more than that. */
  elements?(input: Tensor, target: Tensor): Tensor;

  /** Type of the target for an input of the given type. */
  protected targetType(input: TensorType): TensorType {
    return input;
  }

  /** @throws GlobalPercError when the values of a target are none that the loss takes. */
  protected requireTarget(_target: HostTensor, _output: Shape): void {
    return;
  }

  /** Whether the shapes go together. */
  protected comparable(input: Tensor, target: Tensor): boolean {
    return sameShape(input.shape, target.shape);
  }
}

/** A loss of each element by itself. */
export abstract class ElementwiseLoss extends PixelLoss {
  /** In the shape of the input. */
  abstract override elements(input: Tensor, target: Tensor): Tensor;

  override forward(input: Tensor, target: Tensor): Tensor {
    requireTensors(this, input, target);
    return reduce(this.elements(input, target), this.reduction);
  }
}
