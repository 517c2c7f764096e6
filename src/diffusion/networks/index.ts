export { AutoencoderKL, type AutoencoderKLOptions } from './autoencoder-kl.js';
export { AutoencoderTiny, type AutoencoderTinyOptions } from './autoencoder-tiny.js';
export { CLIPTextModel, type CLIPTextOptions } from './clip-text.js';
export { UNet2DConditionModel, type UNet2DConditionOptions } from './unet.js';
