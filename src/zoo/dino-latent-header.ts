/**
 * The head with which DINOv2 reads latents of Stable Diffusion instead of pictures, as the original of this library has it: layers and
 * keys are the same, so that its published `dino_header_rl.pkl` loads.
 */
import type { Tensor } from '../graph/index.js';
import { Conv2d, Module, ReLU, Sequential } from '../nn/index.js';
import { count } from '../options/index.js';

const convolution = (inChannels: number, outChannels: number): Conv2d =>
  new Conv2d(inChannels, outChannels, 3, { padding: 1 });

/** relu(conv(x) + x), conv being three 3×3 convolutions with ReLU between them: `[B, C, H, W]` → the same. */
class Block extends Module {
  static readonly className = 'Block';
  readonly conv: Sequential;
  readonly fuse = new ReLU();

  constructor(channels: number) {
    super();
    const [first, second, third] = [0, 1, 2].map(() => convolution(channels, channels)) as [Conv2d, Conv2d, Conv2d];
    this.conv = new Sequential(first, new ReLU(), second, new ReLU(), third);
  }

  override forward(x: Tensor): Tensor {
    return this.fuse(this.conv(x).add(x));
  }
}

/**
 * Latents `[B, inChannels, H, W]` → patches `[B, embedDim, H/2, W/2]`: a convolution, three residual blocks, a halving, three blocks, a
 * convolution, in `train_layer`. It takes the place of `patch_embed.proj`, with `patchSize: 2`:
 * `models.dinov2Vits14Reg({ patchEmbed: new models.DinoLatentHeader(), patchSize: 2 })`.
 *
 * The original pads latents of 64×64 by ten zeros on each side, `new transforms.Pad(10)`, to DINOv2's 42×42 patches. Without, 64×64
 * latents and the 448×448 picture that they stand for have the same 32×32 patches, which trains better.
 */
export class DinoLatentHeader extends Module {
  static readonly className = 'DinoLatentHeader';
  readonly train_layer: Sequential;

  /** @param embedDim features of a token: 384 for ViT-S, 768 for ViT-B. */
  constructor(inChannels = 4, embedDim = 384) {
    super();
    const width = count(embedDim, `${this.className}: embedDim`);
    const blocks = (): Block[] => [0, 1, 2].map(() => new Block(width));
    this.train_layer = new Sequential(
      convolution(count(inChannels, `${this.className}: inChannels`), width),
      new ReLU(),
      ...blocks(),
      new Conv2d(width, width, 2, { stride: 2 }),
      ...blocks(),
      new Conv2d(width, width, 3, { padding: 1, bias: false }),
    );
  }

  override forward(latents: Tensor): Tensor {
    return this.train_layer(latents);
  }
}
