/** The public `nn` namespace: PyTorch's names for losses, layers and module classes. */
export {
  BCEWithLogitsLoss,
  type BCEWithLogitsLossOptions,
  CrossEntropyLoss,
  type CrossEntropyLossOptions,
  HuberLoss,
  type HuberLossOptions,
  L1Loss,
  MSELoss,
  type PixelLossOptions,
  SmoothL1Loss,
  type SmoothL1LossOptions,
  WeightedLoss,
} from './loss/index.js';
export * from './nn/public.js';
