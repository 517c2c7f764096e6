/** Between pictures in [0, 1] and the latents that a U-Net takes. */
import type { Tensor } from '../graph/index.js';
import { type AnyModule, Module } from '../nn/index.js';
import { AutoencoderKL } from './networks/autoencoder-kl.js';
import type { AutoencoderTiny } from './networks/autoencoder-tiny.js';

/** An autoencoder, as far as its decoder. */
export interface Decoding {
  /** What latents are multiplied by for the U-Net. */
  readonly scalingFactor: number;
  /** Images in [−1, 1] of latents. */
  decode(latents: Tensor): Tensor;
}

/** The map from a U-Net's latents to pictures in [0, 1], for `nn.MappedLoss`: decode(x/scalingFactor)/2 + ½. */
export const decoded =
  (vae: Decoding): ((latents: Tensor) => Tensor) =>
  (latents) =>
    vae.decode(latents.div(vae.scalingFactor)).div(2).add(0.5);

/** The map from pictures in [0, 1] to a U-Net's latents, the mean of those of an AutoencoderKL: encode(2·x − 1)·scalingFactor. */
export const encoded =
  (vae: AutoencoderKL | AutoencoderTiny): ((images: Tensor) => Tensor) =>
  (images) => {
    const latents = vae.encode(images.mul(2).sub(1));
    const mean = vae instanceof AutoencoderKL ? latents.slice([1], [0], [vae.latentChannels]) : latents;
    return mean.mul(vae.scalingFactor);
  };

/**
 * The decoder of an autoencoder as a module that takes a U-Net's latents: of `toOnnx`, a teacher whose hooks are the decoder's own features.
 *
 * @example
 * const teacher = await loadModel(await toOnnx(new LatentDecoder(vae), { input: [1, 4, 64, 64] }));
 * const config = new GlobalPercConfig({ modulesToHook: LatentDecoder.FEATURES });
 * const term = new OnX0(new GlobalPercLoss(teacher, config), { maxTimestep: 500 });
 */
export class LatentDecoder extends Module {
  static readonly className = 'LatentDecoder';
  /** What is in the decoder's middle and first up block: resolutions of the latents, before the layers that draw. */
  static readonly FEATURES: readonly RegExp[] = [/^vae\.decoder\.(mid_block|up_blocks\.0)\.resnets\.\d+$/];
  readonly vae: Decoding & AnyModule;

  constructor(vae: Decoding & AnyModule) {
    super();
    this.vae = vae;
  }

  /** Pictures in [0, 1]. */
  override forward(latents: Tensor): Tensor {
    return decoded(this.vae)(latents);
  }
}
