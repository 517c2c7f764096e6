/**
 * What a random shift does against the grid of a vision transformer's patches: a student that writes squares of 14 pixels, each
 * from a code of its own, under a ViT/14 teacher whose squares are the same – or, behind `RandomShift`, others at each step.
 *
 * The teacher is a small DINOv2 with random weights: no registry of packages has a trained ViT/14.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 */
import { join } from 'node:path';
import { optimizerFor } from '../dist/cli/demo-student.js';
import { CenterCrop, DataLoader, encodePng, writeAtomically } from '../dist/data/index.js';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  models,
  NormalizedTensorLoss,
  nn,
  Trainer,
  toOnnx,
  transforms,
} from '../dist/index.js';
import { JUDGES, Jury } from './judges.mjs';
import { heldOut, training } from './photographs.mjs';
import { gridEnergy, mean } from './statistics.mjs';
import { Pairs } from './tasks.mjs';
import { outputsOf } from './training.mjs';

const PATCH = 14;
/** Side of the squares that are trained on, in pixels, and of the pictures that are measured. */
const [SIDE, VIEW] = [8 * PATCH, 14 * PATCH];
const CODE = 96;
/** Input and target are the same. @type {import('./tasks.mjs').Task} */
const TASK = { name: 'codes', jitter: 0, degrade: (image) => image };

/** The teacher sees both images moved by up to so many pixels. @type {Readonly<Record<string, number>>} */
export const SHIFTS = { 'without RandomShift': 0, 'RandomShift(2)': 2, 'RandomShift(7)': 7 };

/**
 * Images through codes: each square's mean, bilinearly enlarged, and the rest from a code of the square, which sees its
 * neighbours'. It starts with the means alone.
 */
class PatchAutoencoder extends nn.Module {
  constructor() {
    super();
    this.encode = new nn.Linear(3 * PATCH ** 2, CODE);
    this.mix = new nn.Conv2d(CODE, CODE, 3, { padding: 1 });
    this.act = new nn.GELU();
    this.decode = new nn.Linear(CODE, 3 * PATCH ** 2);
    this.pool = new nn.AvgPool2d(PATCH);
    this.enlarge = new nn.Upsample({ scaleFactor: PATCH, mode: 'bilinear' });
    for (const parameter of [this.decode.weight, this.decode.bias]) if (parameter) nn.init.zeros(parameter);
  }

  /** @param {import('../dist/index.js').Tensor} x */
  forward(x) {
    const [batch = 0, , height = 0, width = 0] = x.shape;
    const [rows, columns] = [height / PATCH, width / PATCH];
    const coarse = this.enlarge(this.pool(x));
    const squares = x.sub(coarse).reshape([batch, 3, rows, PATCH, columns, PATCH]).transpose([0, 2, 4, 1, 3, 5]);
    const codes = this.encode(squares.reshape([batch, rows * columns, 3 * PATCH ** 2])).swapAxes(1, 2);
    const grid = codes.reshape([batch, CODE, rows, columns]);
    const mixed = grid.add(this.act(this.mix(grid))).reshape([batch, CODE, rows * columns]);
    const written = this.decode(mixed.swapAxes(1, 2)).reshape([batch, rows, columns, 3, PATCH, PATCH]);
    return coarse.add(written.transpose([0, 3, 1, 4, 2, 5]).reshape([batch, 3, height, width]));
  }
}

async function teacher() {
  nn.manualSeed(0);
  const vit = new models.DinoVisionTransformer({ embedDim: 192, depth: 4, numHeads: 3, imgSize: SIDE });
  return loadModel(await toOnnx(vit, { input: [1, 3, SIDE, SIDE] }));
}

/** @param {string} name one of SHIFTS @param {number} seed @param {{ steps: number, batch: number }} sizes @param {string} samples */
export async function patchStudent(name, seed, { steps, batch }, samples) {
  const pixels = SHIFTS[name] ?? 0;
  const normalize = new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
  const shift = pixels > 0 ? [new transforms.RandomShift(pixels, { seed })] : [];
  const config = new GlobalPercConfig({
    modulesToHook: [nn.Linear],
    startWeight: 1,
    endWeight: 1,
    transformNormalization: new transforms.Compose([...shift, normalize]),
    lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
    printData: false,
  });
  const loss = new GlobalPercLoss(await teacher(), config);
  nn.manualSeed(seed);
  const trainer = await Trainer.create(new PatchAutoencoder(), loss, optimizerFor(steps), {
    batch: [batch, 3, SIDE, SIDE],
    clipGradNorm: 1,
    seed,
  });
  const start = performance.now();
  const loader = new DataLoader(new Pairs(TASK, await training(), SIDE), { batchSize: batch, shuffle: true, seed });
  for await (const { input, target } of loader.stream()) {
    await trainer.step(input, target);
    if (trainer.steps >= steps) break;
  }
  const secondsPerStep = (performance.now() - start) / 1000 / steps;
  const targets = await heldOut(VIEW);
  const outputs = await outputsOf(trainer, targets);
  await trainer.dispose();
  await loss.dispose();
  if (seed === 0) {
    await show(samples, name, outputs);
    await show(samples, 'target', targets);
  }
  return { judges: await judged(outputs, targets), secondsPerStep };
}

/** @param {readonly Image[]} outputs @param {readonly Image[]} targets @returns {Promise<Record<string, number>>} */
async function judged(outputs, targets) {
  const energies = outputs.map((output, i) => gridEnergy(difference(output, /** @type {Image} */ (targets[i])), PATCH));
  const jury = new Jury(targets);
  const judges = JUDGES.filter(({ name }) => ['GMSD', 'PSNR', 'LPIPS alex'].includes(name));
  const verdict = await jury.verdict(outputs, judges);
  await jury.dispose();
  return {
    'grid energy': mean(energies.map(({ energy }) => 1e6 * energy)),
    'its share': mean(energies.map(({ share }) => share)),
    ...verdict,
  };
}

/** @param {Image} a @param {Image} b @returns {Image} */
const difference = (a, b) => ({ dims: a.dims, data: a.data.map((value, i) => value - (b.data[i] ?? 0)) });

/** Photograph that is shown, and side of its middle. */
const [SHOWN, DETAIL] = [2, 112];

/** @param {string} samples @param {string} name @param {readonly Image[]} images */
async function show(samples, name, images) {
  const [detail] = /** @type {[Image]} */ (new CenterCrop(DETAIL).apply([/** @type {Image} */ (images[SHOWN])]));
  await writeAtomically(join(samples, `${name}.png`), await encodePng(detail));
}
