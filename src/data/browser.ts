/** Data sets, images and arrays in memory: what of `globalperc/data` a browser has, too. */

export type { Size } from '../transforms/size.js';
export {
  CenterCrop,
  Compose,
  crop,
  type PairedTransform,
  RandomCrop,
  RandomHorizontalFlip,
  RandomRotate90,
} from './augment.js';
export { type Dataset, type Sample, type SampleTensor, type Substitutes, TensorDataset } from './dataset.js';
export type { Box } from './decoded-image.js';
export {
  Autoencode,
  type Degradation,
  Denoise,
  type DenoiseOptions,
  Inpaint,
  type InpaintOptions,
  SuperResolution,
  type SuperResolutionOptions,
} from './degradation.js';
export { augmentationFromJSON, degradationFromJSON } from './json.js';
export { type Batch, DataLoader, type DataLoaderOptions, type StreamOptions } from './loader.js';
export { formatNpy, parseNpy } from './npy.js';
export { formatSafetensors, parseSafetensors, type SafeTensor, type Safetensors } from './safetensors.js';
export { type Sampler, WeightedRandomSampler, type WeightedRandomSamplerOptions } from './sampler.js';
export type { ImageTensor } from './tensor.js';
export { type RandomSplitOptions, randomSplit, repeat, take } from './views.js';
