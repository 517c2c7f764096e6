/**
 * What a random shift does against the grid of a vision transformer's patches: a student that writes squares of 14 pixels, each
 * from its own code, under a ViT/14 teacher whose squares are the same – or, behind `RandomShift`, others at each step.
 *
 * The teacher is a small DINOv2 with random weights: no registry of packages has a trained ViT/14.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 * @typedef {import('../dist/index.js').Dataset} Dataset
 */
import { join } from 'node:path';
import {
  CenterCrop,
  DataLoader,
  encodePng,
  RandomCrop,
  RandomHorizontalFlip,
  writeAtomically,
} from '../dist/data/index.js';
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
import { optimizerFor, outputsOf } from './training.mjs';

const PATCH = 14;
/** Side of the squares that are trained on, in pixels, and of the pictures that are measured. */
const [SIDE, VIEW] = [7 * PATCH, 14 * PATCH];
const CODE = 96;

/** The teacher sees both images moved by up to so many pixels. @type {Readonly<Record<string, number>>} */
export const SHIFTS = { 'without RandomShift': 0, 'RandomShift(2)': 2, 'RandomShift(7)': 7 };

/** Squares of 14 pixels as codes, which see their neighbours, and codes as squares again. */
class PatchAutoencoder extends nn.Module {
  constructor() {
    super();
    this.encode = new nn.Conv2d(3, CODE, PATCH, { stride: PATCH });
    this.mix = new nn.Conv2d(CODE, CODE, 3, { padding: 1 });
    this.act = new nn.GELU();
    this.decode = new nn.ConvTranspose2d(CODE, 3, PATCH, { stride: PATCH });
  }

  /** @param {import('../dist/index.js').Tensor} x */
  forward(x) {
    const code = this.encode(x);
    return this.decode(code.add(this.act(this.mix(code)))).add(0.5);
  }
}

/** Crops of the training photographs as input and target. @implements {Dataset} */
class Crops {
  crop = new RandomCrop(SIDE);
  flip = new RandomHorizontalFlip();

  /** @param {readonly Image[]} photographs */
  constructor(photographs) {
    this.photographs = photographs;
  }

  get length() {
    return this.photographs.length;
  }

  /** @param {number} index @param {import('../dist/index.js').Generator} generator */
  async get(index, generator) {
    const cropped = this.crop.apply([/** @type {Image} */ (this.photographs[index])], generator);
    const [image] = /** @type {[Image]} */ (this.flip.apply(cropped, generator));
    return { input: image, target: image };
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
  const loader = new DataLoader(new Crops(await training()), { batchSize: batch, shuffle: true, seed });
  for await (const { input, target } of loader.stream()) {
    await trainer.step(input, target);
    if (trainer.steps >= steps) break;
  }
  const secondsPerStep = (performance.now() - start) / 1000 / steps;
  const targets = await heldOut(VIEW);
  const outputs = await outputsOf(trainer, targets);
  await trainer.dispose();
  await loss.dispose();
  const energies = outputs.map((output, i) => gridEnergy(difference(output, /** @type {Image} */ (targets[i])), PATCH));
  const jury = new Jury(targets);
  const judged = await jury.verdict(
    outputs,
    JUDGES.filter(({ name }) => ['GMSD', 'PSNR', 'LPIPS alex'].includes(name)),
  );
  await jury.dispose();
  if (seed === 0) await show(samples, name, outputs);
  return { judges: { 'grid energy': mean(energies), ...judged }, secondsPerStep };
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

/** The target of what is shown. */
export async function shownTarget() {
  const targets = await heldOut(VIEW);
  return /** @type {Image} */ (new CenterCrop(DETAIL).apply([/** @type {Image} */ (targets[SHOWN])])[0]);
}
