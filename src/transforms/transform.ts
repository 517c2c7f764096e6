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
  /** What the model sees of an image `[B, C, H, W]`. @param draws the random numbers that prediction and target share. */
  apply(image: Tensor, draws: Draws): Tensor;
  /**
   * What it does to places alone: the same to a plane `[B, 1, H, W]` of weights, linear in them; what it adds weighs 0.
   * Maps and masks need it.
   */
  geometry?(plane: Tensor, draws: Draws): Tensor;
  /** True when it expects images in [0, 1]. */
  readonly normalizes?: boolean;
}

/** For transforms of colours. */
export const inPlace = (plane: Tensor): Tensor => plane;

/** The geometry of a transform, if there is one. @throws GlobalPercError for a transform that does not tell it. */
export function geometryOf(transform: Transform | undefined, plane: Tensor, draws: Draws): Tensor {
  if (transform === undefined) return plane;
  if (transform.geometry) return transform.geometry(plane, draws);
  throw new GlobalPercError(
    `a map or a mask needs to know where ${transform.constructor.name} moves pixels: give it geometry(plane, draws), ` +
      '(plane) => plane where they stay in their places',
    { code: 'invalid-option' },
  );
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
