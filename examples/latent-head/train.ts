/**
 * Trains a head that reads latents: `node examples/latent-head/train.ts PHOTOS HELD-OUT [STEPS]`, in Node 22.18 or newer (Node 20:
 * `npx jiti …`), with AlexNet and linear latents, in a minute. `--dinov2 dinov2_vits14_reg4_pretrain.pth --encoder taesd_encoder.onnx` trains
 * DINOv2's head, for which photographs should be of 448 pixels or more. Prints the cosine to the features of the photographs held out.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nn, optim, Trainer } from 'globalperc';
import { DataLoader, formatSafetensors, writeAtomically } from 'globalperc/data';
import { latentPairs, linearEncoder, onnxEncoder, squares } from './latents.ts';
import { alexnet, dinov2 } from './setting.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dinov2: { type: 'string' },
    encoder: { type: 'string' },
    batch: { type: 'string', default: '4' },
    squares: { type: 'string', default: '400' },
    out: { type: 'string', default: 'latent-head' },
  },
});
const [photos = 'photos', heldOut = 'held-out', steps = '250'] = positionals;
const batch = Number(values.batch);

nn.manualSeed(0);
const { student, loss, side } = values.dinov2
  ? await dinov2(values.dinov2)
  : await alexnet(new URL('../../assets/lpips-alex.onnx', import.meta.url).pathname);
const filesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).sort().map((name) => join(folder, name));
const pictures = await squares(await filesIn(photos), side, Number(values.squares));
const others = await squares(await filesIn(heldOut), side, 32);
const encoder = values.encoder ? await onnxEncoder(values.encoder) : linearEncoder([...pictures.values()].slice(0, 12));
const train = await latentPairs(pictures, encoder, `${values.out}/latents`);
const test = await latentPairs(others, encoder, `${values.out}/latents`);
console.log(`${train.length} squares of ${side} pixels to learn from, ${test.length} held out`);

const latents = side / encoder.factor;
const total = Number(steps);
const schedule = new optim.lrScheduler.CosineAnnealingLR({ tMax: total });
const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 2e-3, schedule }), {
  batch: [batch, encoder.channels, latents, latents],
  target: { dtype: 'float32', shape: [batch, 3, side, side] },
  clipGradNorm: 1,
});

/** Mean cosine between features of latents and those of the photographs, over hooks and held-out squares. */
async function cosine(): Promise<number> {
  const losses: number[] = [];
  for await (const { input, target } of new DataLoader(test, { batchSize: batch, dropLast: true })) {
    const { hooks } = await trainer.evaluate(input, target);
    losses.push(hooks.reduce((sum, hook) => sum + hook.loss, 0) / hooks.length);
  }
  return 1 - losses.reduce((sum, value) => sum + value, 0) / losses.length;
}

console.log(`step 0: held-out cosine ${(await cosine()).toFixed(3)}`);
let sum = 0;
for await (const { input, target } of new DataLoader(train, {
  batchSize: batch,
  shuffle: true,
  dropLast: true,
}).stream()) {
  const result = await trainer.step(input, target);
  sum += result.loss;
  if (result.step % 50 === 0) {
    console.log(`step ${result.step}: loss ${(sum / 50).toFixed(4)}`);
    sum = 0;
  }
  if (result.step === total) break;
}

console.log(`step ${total}: held-out cosine ${(await cosine()).toFixed(3)}`);
await trainer.dispose();
const head = Object.entries(student.stateDict()).filter(([path]) => /^(features\.0|patch_embed\.proj)\./.test(path));
await mkdir(values.out, { recursive: true });
await writeAtomically(`${values.out}/head.safetensors`, formatSafetensors(Object.fromEntries(head)));
await loss.dispose();
