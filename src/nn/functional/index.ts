/**
 * The layers as functions of tensors, by the names of torch.nn.functional
 * (https://pytorch.org/docs/stable/nn.functional.html). The files beside this one export nothing else.
 */
export * from './activation.js';
export * from './adaptive-pooling.js';
export * from './attention.js';
export * from './convolution.js';
export * from './distance.js';
export * from './dropout.js';
export * from './embedding.js';
export * from './fold.js';
export * from './linear.js';
export * from './normalization.js';
export * from './padding.js';
export * from './pooling.js';
export * from './upsampling.js';
