/** The public `nn` namespace: PyTorch's names for losses, layers and module classes. */
export {
  BCEWithLogitsLoss,
  type BCEWithLogitsLossOptions,
  CrossEntropyLoss,
  type CrossEntropyLossOptions,
  type Factors,
  HuberLoss,
  type HuberLossOptions,
  L1Loss,
  MSELoss,
  type PixelLoss,
  type PixelLossOptions,
  SmoothL1Loss,
  type SmoothL1LossOptions,
  type Term,
  WeightedLoss,
} from './loss/index.js';
export * from './nn/public.js';
