/** The first stage: an autoencoder of TAESD's kind, 4 channels of a quarter of the side, with L1 and this library's perceptual loss. */
import { join } from 'node:path';
import { GlobalPercConfig, GlobalPercLoss, loadModel, nn, optim, type Tensor, Trainer, transforms } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { AutoencoderTiny, Computation } from 'globalperc/diffusion';
import { details, views } from './photographs.ts';
import { drawn, forget, type Places, stacked, train, writePart } from './training.ts';

const BATCH = 2;

const CONFIG = {
  _class_name: 'AutoencoderTiny',
  encoder_block_out_channels: [32, 32, 32],
  decoder_block_out_channels: [32, 32, 32],
  num_encoder_blocks: [0, 1, 2],
  num_decoder_blocks: [2, 2, 0],
  latent_channels: 4,
};

/** Pictures in [0, 1] → the same. */
class Autoencoding extends nn.Module {
  readonly vae: AutoencoderTiny;

  constructor(vae: AutoencoderTiny) {
    super();
    this.vae = vae;
  }

  override forward(x: Tensor): Tensor {
    return this.vae(x.mul(2).sub(1)).div(2).add(0.5);
  }
}

/** AlexNet, which comes with the package. */
export const ALEXNET = new URL('../../../assets/lpips-alex.onnx', import.meta.url).pathname;

/** What an autoencoder and the latent teacher learn from. */
export async function pictures(): Promise<ImageTensor[]> {
  const near = await views(30, 1);
  return [...near.map(({ image }) => image), ...(await details(90, 2))];
}

/** Writes `vae/` of a pipeline. */
export async function autoencoder({ pipeline, work }: Places, steps: number): Promise<void> {
  nn.manualSeed(0);
  const vae = AutoencoderTiny.fromConfig(CONFIG);
  const config = new GlobalPercConfig({
    modulesToHook: [nn.ReLU],
    transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
    printData: false,
  });
  const perceptual = new GlobalPercLoss(await loadModel(ALEXNET), config);
  const loss = new nn.WeightedLoss([
    [new nn.L1Loss(), 1],
    [perceptual, 0.05],
  ]);
  const schedule = new optim.lrScheduler.CosineAnnealingLR({ tMax: steps });
  const dims = [BATCH, 3, 64, 64];
  const trainer = await Trainer.create(new Autoencoding(vae), loss, new optim.AdamW({ lr: 3e-3, schedule }), {
    batch: dims,
    clipGradNorm: 1,
  });
  const images = await pictures();
  await train(trainer, {
    name: 'autoencoder',
    folder: work,
    steps,
    step: (draws) => {
      const batch = stacked(drawn(images, BATCH, draws));
      return trainer.step(batch, batch);
    },
  });
  await trainer.dispose();
  const scaling = await scalingFactor(vae, images.slice(0, 200));
  console.log(`autoencoder: latents are scaled by ${scaling.toFixed(4)}`);
  await writePart(join(pipeline, 'vae'), { ...CONFIG, scaling_factor: scaling }, vae);
  await forget('autoencoder', work);
}

/** What gives latents the mean square 1. */
async function scalingFactor(vae: AutoencoderTiny, images: readonly ImageTensor[]): Promise<number> {
  await using encode = new Computation((x) => vae.encode(x.mul(2).sub(1)));
  const { data } = await encode.run(stacked(images));
  return 1 / Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
}
