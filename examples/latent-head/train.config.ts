/** The same as a run of the command line, over the pictures in `photos`: `globalperc train examples/latent-head/train.config.ts --out run`. */
import { readdir } from 'node:fs/promises';
import { optim } from 'globalperc';
import { DataLoader } from 'globalperc/data';
import { latentPairs, linearEncoder, squares } from './latents.ts';
import { alexnet } from './setting.ts';

const [STEPS, BATCH] = [300, 4];

export default async ({ seed }: { readonly seed: number }) => {
  const { student, loss, side } = await alexnet(new URL('../../assets/lpips-alex.onnx', import.meta.url).pathname);
  const files = (await readdir('photos')).sort().map((name) => `photos/${name}`);
  const pictures = await squares(files, side, 400);
  const pairs = await latentPairs(pictures, linearEncoder([...pictures.values()].slice(0, 12)), 'latents');
  return {
    student,
    loss,
    optimizer: new optim.AdamW({ lr: 2e-3, schedule: new optim.lrScheduler.CosineAnnealingLR({ tMax: STEPS }) }),
    data: new DataLoader(pairs, { batchSize: BATCH, shuffle: true, dropLast: true, seed }),
    steps: STEPS,
    trainer: { target: { dtype: 'float32', shape: [BATCH, 3, side, side] }, clipGradNorm: 1 },
  };
};
