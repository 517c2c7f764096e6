/** The public `nn` namespace: PyTorch's names for losses and module classes. */
export { L1Loss, MSELoss, SmoothL1Loss } from './loss/index.js';
export * from './nn/index.js';
