/** What a transform is. Images are [B, C, H, W]. */
import { GlobalPercError, kindOf, Tensor } from '../graph/index.js';
import { type Check, withMethods } from '../options/index.js';

/** Random numbers that prediction and target share, so that a random transform does the same to both. */
export class Draws {
  private readonly drawn = new Map<object, Tensor>();

  /** Whether anything was drawn. */
  get used(): boolean {
    return this.drawn.size > 0;
  }

  /** The tensor that `draw` made for this transform the first time. */
  once(transform: object, draw: () => Tensor): Tensor {
    const known = this.drawn.get(transform) ?? draw();
    this.drawn.set(transform, known);
    return known;
  }
}

/** A differentiable piece of graph in front of the model. */
export interface Transform {
  apply(image: Tensor, draws: Draws): Tensor;
  /** True when it expects images in [0, 1]. */
  readonly normalizes?: boolean;
}

/** Checks a transform, which may be a user's own. */
export const isTransform: Check<Transform> = withMethods(
  'a transform such as new transforms.Normalize({ mean, std })',
  'apply',
);

/** @throws GlobalPercError when the tensor is not [B, C, H, W]. */
export function requireImage(image: Tensor, name: string): void {
  if (!(image instanceof Tensor))
    throw new GlobalPercError(`${name} expects symbolic images [B, C, H, W], got ${kindOf(image)}`, {
      code: 'invalid-argument',
    });
  if (image.rank !== 4)
    throw new GlobalPercError(`${name} expects images [B, C, H, W], got shape [${image.shape}]`, {
      code: 'invalid-argument',
    });
}
