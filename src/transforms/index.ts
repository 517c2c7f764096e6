/**
 * Differentiable preprocessing of images `[B, C, H, W]`, by torchvision's names where it has one
 * (https://pytorch.org/vision/stable/transforms.html). Gradients go through it to the caller's image.
 * @module
 */
export {
  Compose,
  Grayscale,
  type GrayscaleOptions,
  Lambda,
  type LambdaOptions,
  Normalize,
  type NormalizeOptions,
  PermuteChannels,
} from './basic.js';
export {
  CenterCrop,
  Pad,
  type Padding,
  type PadOptions,
  RandomCrop,
  type RandomCropOptions,
  RandomShift,
} from './crop.js';
export { fromJSON } from './json.js';
export type { TransformJSON } from './preprocessor.js';
export { Resize, type ResizeOptions, type ResizeSize } from './resize.js';
export type { Size } from './size.js';
export { Draws, type Transform } from './transform.js';
