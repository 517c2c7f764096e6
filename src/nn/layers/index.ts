/**
 * The layers by the names of torch.nn (https://pytorch.org/docs/stable/nn.html), one file per family. The files beside this
 * one export layers and the types of their options, nothing else.
 */
export * from './activation.js';
export * from './adaptive-pooling.js';
export * from './attention.js';
export * from './batch-norm.js';
export * from './convolution.js';
export * from './distance.js';
export * from './dropout.js';
export * from './embedding.js';
export * from './fold.js';
export * from './instance-norm.js';
export * from './linear.js';
export * from './normalization.js';
export * from './padding.js';
export * from './pooling.js';
export * from './rectifier.js';
export * from './recurrent.js';
export * from './shape.js';
export * from './softmax.js';
export * from './upsampling.js';
