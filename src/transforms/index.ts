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
