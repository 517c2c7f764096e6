/**
 * PyTorch's `torch.nn`: losses, layers, containers, functions and initial values, under its names
 * (https://pytorch.org/docs/stable/nn.html).
 * @module
 */
export * from './loss/criteria.js';
export * from './nn/public.js';
