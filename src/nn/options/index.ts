/** Types of the options that a function and its layer share. */
export type * from './activation.js';
export type * from './convolution.js';
export type * from './distance.js';
export type * from './fold.js';
export type * from './normalization.js';
export type * from './pooling.js';
export type * from './upsampling.js';
