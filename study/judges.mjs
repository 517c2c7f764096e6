/**
 * Measures of students on the photographs kept out of training. Each is a judge only where no term of the student's loss is the
 * measure itself or has its network.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 * @typedef {import('./losses.mjs').Recipe} Recipe
 * @typedef {{ name: string, higherIsBetter: boolean, digits: number, notFor: readonly Parameters<typeof isMadeOf>[1][] }} Judge
 */
import { gmsd, psnr } from '../dist/cli/measures.js';
import { DISTS, LPIPS, nn } from '../dist/index.js';
import { isMadeOf } from './losses.mjs';
import { mean } from './statistics.mjs';
import { VGG16 } from './teachers.mjs';

/** @type {readonly Judge[]} */
export const JUDGES = [
  { name: 'GMSD', higherIsBetter: false, digits: 4, notFor: [] },
  { name: 'MS-SSIM', higherIsBetter: true, digits: 4, notFor: ['ssim'] },
  { name: 'PSNR', higherIsBetter: true, digits: 2, notFor: ['mse'] },
  { name: 'LPIPS alex', higherIsBetter: false, digits: 4, notFor: ['AlexNet', 'lpips alex'] },
  { name: 'LPIPS vgg', higherIsBetter: false, digits: 4, notFor: ['VGG16'] },
  { name: 'DISTS', higherIsBetter: false, digits: 4, notFor: ['VGG16'] },
];

/** The judges of a recipe. @param {Recipe} recipe */
export const judgesOf = (recipe) => JUDGES.filter(({ notFor }) => !notFor.some((part) => isMadeOf(recipe, part)));

/** Those with a network, or several scales, as losses. @type {Readonly<Record<string, () => import('../dist/index.js').Loss>>} */
const LOSSES = {
  'MS-SSIM': () => new nn.MSSSIMLoss(),
  'LPIPS alex': () => new LPIPS(),
  'LPIPS vgg': () => new LPIPS({ net: 'vgg', weights: VGG16 }),
  DISTS: () => new DISTS({ weights: VGG16 }),
};

/** @type {Readonly<Record<string, (image: Image, target: Image) => number>>} */
const MEASURES = { GMSD: gmsd, PSNR: psnr };

/** @param {readonly Image[]} images */
export function stacked(images) {
  const [first] = images;
  const data = new Float32Array(images.length * (first?.data.length ?? 0));
  for (const [i, image] of images.entries()) data.set(image.data, i * image.data.length);
  return { dims: [images.length, ...(first?.dims ?? [])], data };
}

/** As a picture file holds them. @param {Image} image @returns {Image} */
export const clamped = ({ dims, data }) => ({ dims, data: data.map((value) => Math.min(1, Math.max(0, value))) });

/** The means over some photographs, which are read once. */
export class Jury {
  /** @param {readonly Image[]} targets */
  constructor(targets) {
    this.targets = targets;
    /** @type {Map<string, Promise<readonly [import('../dist/index.js').Loss, import('../dist/index.js').EncodedTarget]>>} */
    this.losses = new Map();
  }

  /** @param {readonly Image[]} images @param {readonly Judge[]} judges */
  async verdict(images, judges) {
    /** @type {Record<string, number>} */
    const verdict = {};
    for (const { name } of judges) verdict[name] = await this.measured(name, images.map(clamped));
    return verdict;
  }

  /** @param {string} name @param {readonly Image[]} images */
  async measured(name, images) {
    const measure = MEASURES[name];
    if (measure) return mean(images.map((image, i) => measure(image, /** @type {Image} */ (this.targets[i]))));
    const [loss, target] = await this.encoded(name);
    const value = await loss.evaluate(stacked(images), target);
    return name === 'MS-SSIM' ? 1 - value : value;
  }

  /** @param {string} name */
  encoded(name) {
    const known = this.losses.get(name) ?? this.encode(name);
    this.losses.set(name, known);
    return known;
  }

  /** Frees the networks. */
  async dispose() {
    for (const known of this.losses.values()) await (await known)[0].dispose();
  }

  /** @param {string} name */
  async encode(name) {
    const loss = /** @type {import('../dist/index.js').Loss} */ (LOSSES[name]?.());
    return /** @type {const} */ ([loss, await loss.encode(stacked(this.targets))]);
  }
}
