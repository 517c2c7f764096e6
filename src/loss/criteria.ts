/** The losses of the `nn` namespace. The files are taken whole: a new loss is a class in one of them. */
export * from './classification.js';
export * from './mapped.js';
export * from './pixel.js';
export { type ElementwiseLoss, PixelLoss, type PixelLossOptions } from './pixel-loss.js';
export * from './structural-similarity.js';
export * from './tiled.js';
export * from './weighted.js';
