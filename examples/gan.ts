/**
 * Super-resolution ×4 of the photographs of a folder, with a perceptual and an adversarial loss: `node examples/gan.ts photos 500`, in Node
 * 22.18 or newer. Both judge by AlexNet, which comes with the package; another teacher is the path of its ONNX file.
 */
import { fileURLToPath } from 'node:url';
import {
  AdversarialTrainer,
  exportOnnx,
  GlobalPercConfig,
  GlobalPercLoss,
  GlobalPercLossDiscriminator,
  loadModel,
  models,
  NormalizedTensorLoss,
  nn,
  optim,
  transforms,
} from 'globalperc';
import { DataLoader, ImageFolder, RandomCrop, SuperResolution } from 'globalperc/data';

const [folder = 'photos', steps = '500', file] = process.argv.slice(2);
const alexnet = fileURLToPath(new URL('../assets/lpips-alex.onnx', import.meta.url));

nn.manualSeed(0);
const teacher = await loadModel(file ?? alexnet);
const config = new GlobalPercConfig({
  startWeight: 1,
  endWeight: 1,
  modulesToHook: [nn.ReLU],
  transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
  lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
});
const generator = new models.UNet(3, 16, 3, { depth: 2 });
// Without the discriminator: Trainer.create(generator, reconstruction, new optim.AdamW({ lr: 1e-3 }), { batch: [4, 3, 64, 64] })
const reconstruction = new nn.WeightedLoss([
  [new nn.L1Loss(), 1],
  [new GlobalPercLoss(teacher, config), 0.1],
]);
const gan = await AdversarialTrainer.create(
  generator,
  new GlobalPercLossDiscriminator(teacher, config, { heads: 'conv' }),
  {
    reconstruction,
    weight: 0.01,
    loss: 'hinge',
    generatorOptimizer: new optim.AdamW({ lr: 1e-3 }),
    discriminatorOptimizer: new optim.AdamW({ lr: 2e-4, betas: [0, 0.99] }),
    batch: [4, 3, 64, 64],
    ema: 0.99,
  },
);

const photos = await ImageFolder.open(folder, {
  size: [200, 272],
  transform: new RandomCrop(64),
  degradation: new SuperResolution({ scale: 4 }),
});
const loader = new DataLoader(photos, { batchSize: 4, shuffle: true });

// Means over the last steps, since batches differ more than steps do.
const EVERY = 20;
const sums = { reconstruction: 0, generator: 0, real: 0, fake: 0 };
for await (const { input, target } of loader.stream()) {
  const result = await gan.step(input, target);
  const names = Object.keys(sums) as (keyof typeof sums)[];
  for (const name of names) sums[name] += result[name] / EVERY;
  if (result.step % EVERY === 0) {
    console.log(`step ${result.step}: ${names.map((name) => `${name} ${sums[name].toFixed(4)}`).join(', ')}`);
    for (const name of names) sums[name] = 0;
  }
  if (result.step === Number(steps)) break;
}

generator.loadStateDict(await gan.emaStateDict());
await exportOnnx(generator, 'generator.onnx');
await gan.dispose();
