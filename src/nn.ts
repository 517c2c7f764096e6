/** The public `nn` namespace: PyTorch's names for losses, layers and module classes. */
export * from './loss/criteria.js';
export * from './nn/public.js';
