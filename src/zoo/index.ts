/**
 * Ready-made models: students, and teachers that take published weights.
 * @module
 */
export { DinoLatentHeader } from './dino-latent-header.js';
export {
  type DinoInputOptions,
  DinoVisionTransformer,
  type DinoVisionTransformerOptions,
  dinov2Vitb14,
  dinov2Vitb14Reg,
  dinov2Vitl14,
  dinov2Vitl14Reg,
  dinov2Vits14,
  dinov2Vits14Reg,
  LayerScale,
  MemEffAttention,
  Mlp,
  NestedTensorBlock,
  PatchEmbed,
} from './dinov2.js';
export { DoubleConv, UNet, type UNetOptions } from './unet.js';
