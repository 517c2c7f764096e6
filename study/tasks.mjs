/**
 * The tasks: what a student is given, and what it shall make of it.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 * @typedef {import('../dist/index.js').Generator} Generator
 * @typedef {import('../dist/index.js').Dataset} Dataset
 * @typedef {(image: Image, generator: Generator) => Image | Promise<Image>} Degrade
 * @typedef {{ name: string, jitter: number, degrade: Degrade }} Task jitter: targets are off by up to this many pixels
 */
import { crop, Denoise, RandomCrop, RandomHorizontalFlip, SuperResolution } from '../dist/data/index.js';
import { jpeg } from './distortions.mjs';
import { fixedDraws } from './photographs.mjs';

const [DOUBLE, QUADRUPLE] = [new SuperResolution({ scale: 2 }), new SuperResolution({ scale: 4 })];
const NOISE = new Denoise({ sigma: 0.1 });
const QUALITY = 15;

/** @type {readonly Task[]} */
export const TASKS = [
  { name: 'misaligned ×2', jitter: 2, degrade: (image) => DOUBLE.degrade(image) },
  { name: '×4', jitter: 0, degrade: (image) => QUADRUPLE.degrade(image) },
  { name: 'JPEG', jitter: 0, degrade: (image) => jpeg(image, QUALITY) },
  { name: 'denoising', jitter: 0, degrade: (image, generator) => NOISE.degrade(image, generator) },
];

const FLIP = new RandomHorizontalFlip();

/**
 * Pairs of squares at random places of the training photographs, one sample per photograph.
 *
 * @implements {Dataset}
 */
export class Pairs {
  /** @param {Task} task @param {readonly Image[]} photographs @param {number} side */
  constructor(task, photographs, side) {
    this.task = task;
    this.photographs = photographs;
    this.side = side;
    this.crop = new RandomCrop(side + 2 * task.jitter);
  }

  get length() {
    return this.photographs.length;
  }

  /** @param {number} index @param {Generator} generator */
  async get(index, generator) {
    const { jitter, degrade } = this.task;
    const photograph = /** @type {Image} */ (this.photographs[index]);
    const [wide] = /** @type {[Image]} */ (FLIP.apply(this.crop.apply([photograph], generator), generator));
    const places = 2 * jitter + 1;
    return {
      input: await degrade(this.square(wide, jitter, jitter), generator),
      target: this.square(wide, generator.integer(places), generator.integer(places)),
    };
  }

  /** @param {Image} image @param {number} top @param {number} left */
  square(image, top, left) {
    return crop(image, { top, left, height: this.side, width: this.side });
  }
}

/** What a student is given of photographs kept out of training: always the same. @param {Task} task @param {readonly Image[]} targets */
export async function inputsOf({ degrade }, targets) {
  const generator = fixedDraws();
  /** @type {Image[]} */
  const inputs = [];
  for (const target of targets) inputs.push(await degrade(target, generator));
  return inputs;
}
