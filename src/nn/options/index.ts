/** Types of the options that a function and its layer share; their checks are for the files beside this one alone. */
export type { GELUApproximation, SoftplusOptions } from './activation.js';
export type { ConvolutionPadding, ConvolveOptions, ConvolveTransposedOptions } from './convolution.js';
export type { CosineSimilarityOptions, PairwiseDistanceOptions } from './distance.js';
export type { FoldOptions } from './fold.js';
export type { BatchNormOptions, InstanceNormOptions, LocalResponseNormOptions } from './normalization.js';
export type { AvgPoolOptions, LPPoolOptions, MaxPoolOptions, PoolOptions } from './pooling.js';
export type { InterpolationMode, UpsampleOptions } from './upsampling.js';
