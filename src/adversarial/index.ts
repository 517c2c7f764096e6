export type { Augmentation } from './augment.js';
export type { AdversarialLoss } from './criterion.js';
export { type DiscriminatorOptions, GlobalPercLossDiscriminator } from './discriminator.js';
export type { AdversarialWeight } from './game.js';
export { AttentionHead, ConvHead, Head, type HeadKind, SelfAttention } from './heads.js';
export { type AdversarialOptions, type AdversarialResult, AdversarialTrainer } from './trainer.js';
