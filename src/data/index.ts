/** Data sets, images and arrays in files; Node only. */

export { type Content, writeAtomically } from '../files/index.js';
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
export { type Dataset, type Sample, type SampleTensor, TensorDataset } from './dataset.js';
export type { Box } from './decoded-image.js';
export type { Alpha } from './decoding.js';
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
export { ImageFolder, type ImageFolderOptions, PairedImageFolder, type PairedImageFolderOptions } from './folder.js';
export { type ReadImageOptions, readImage } from './image.js';
export type { SkippedImage } from './image-store.js';
export { augmentationFromJSON, degradationFromJSON } from './json.js';
export { type Batch, DataLoader, type DataLoaderOptions, type StreamOptions } from './loader.js';
export { formatNpy, parseNpy } from './npy.js';
export { type ContactSheet, type ContactSheetRow, contactSheet, encodePng } from './picture.js';
export { formatSafetensors, parseSafetensors, type SafeTensor, type Safetensors } from './safetensors.js';
export { readStateDict } from './state-dict.js';
export type { ImageTensor } from './tensor.js';
