/** A run of the command line, over the pictures in `photos`: `globalperc train examples/train.config.ts --out run`. */
import { LPIPS, models, nn, optim } from 'globalperc';
import { Compose, DataLoader, Denoise, ImageFolder, RandomCrop, RandomHorizontalFlip } from 'globalperc/data';

const STEPS = 100;

/** The command's `--seed` names the order of the data; it has set that of the weights. */
export default async ({ seed }: { readonly seed: number }) => {
  const photos = await ImageFolder.open('photos', {
    size: [200, 272],
    transform: new Compose([new RandomCrop(48), new RandomHorizontalFlip()]),
    degradation: new Denoise({ sigma: 0.1 }),
  });
  return {
    student: new models.UNet(3, 8, 3, { depth: 2 }),
    loss: new nn.WeightedLoss([
      [new nn.L1Loss(), 1],
      [new LPIPS(), 0.2],
    ]),
    optimizer: new optim.AdamW({ lr: 2e-3, schedule: new optim.lrScheduler.CosineAnnealingLR({ tMax: STEPS }) }),
    data: new DataLoader(photos, { batchSize: 4, shuffle: true, seed }),
    steps: STEPS,
    checkpointEvery: 25,
    trainer: { clipGradNorm: 1 },
  };
};
