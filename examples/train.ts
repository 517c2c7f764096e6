/**
 * Trains a U-Net to sharpen the photographs of a folder: `node examples/train.ts photos 500`, in Node 22.18 or newer. Node 20
 * does not read TypeScript by itself: `npx tsx examples/train.ts photos 500`.
 */
import { exportOnnx, LPIPS, models, nn, optim, Trainer } from 'globalperc';
import { DataLoader, ImageFolder, RandomCrop, SuperResolution } from 'globalperc/data';

const [folder = 'photos', steps = '500'] = process.argv.slice(2);

nn.manualSeed(0);
const student = new models.UNet(3, 16, 3, { depth: 2 });
// Without the perceptual loss: new nn.L1Loss()
const loss = new nn.WeightedLoss([
  [new nn.L1Loss(), 1],
  [new LPIPS(), 0.2],
]);
const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 2e-3 }), {
  batch: [4, 3, 64, 64],
  ema: 0.99,
});

const photos = await ImageFolder.open(folder, {
  size: [200, 272],
  transform: new RandomCrop(64),
  degradation: new SuperResolution({ scale: 2 }),
});
const loader = new DataLoader(photos, { batchSize: 4, shuffle: true });

let sum = 0;
for await (const { input, target } of loader.stream()) {
  const { step, loss } = await trainer.step(input, target);
  sum += loss;
  if (step % 20 === 0) {
    console.log(`step ${step}: loss ${(sum / 20).toFixed(4)}`);
    sum = 0;
  }
  if (step === Number(steps)) break;
}

student.loadStateDict(await trainer.emaStateDict());
await exportOnnx(student, 'student.onnx');
await trainer.dispose();
