/**
 * One student trained with one loss on one task, and measured.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 * @typedef {import('./losses.mjs').Recipe} Recipe
 * @typedef {import('./tasks.mjs').Task} Task
 * @typedef {{ steps: number, batch: number, side: number }} Sizes
 */
import { join } from 'node:path';
import { optimizerFor, Restorer } from '../dist/cli/demo-student.js';
import { crop, DataLoader, encodePng, writeAtomically } from '../dist/data/index.js';
import { nn, Trainer } from '../dist/index.js';
import { JUDGES, Jury, judgesOf, stacked } from './judges.mjs';
import { lossOf } from './losses.mjs';
import { heldOut, training } from './photographs.mjs';
import { inputsOf, Pairs } from './tasks.mjs';

/** Places shown of the photographs kept out of training: index, top, left. */
export const DETAILS = /** @type {const} */ ([
  [0, 130, 100],
  [2, 80, 60],
  [3, 150, 90],
]);
export const DETAIL = 80;

/** @param {readonly Image[]} images */
export const details = (images) =>
  DETAILS.map(([photograph, top, left]) =>
    crop(/** @type {Image} */ (images[photograph]), { top, left, height: DETAIL, width: DETAIL }),
  );

/** Trains students and measures them; photographs, judges and scales are made once. */
export class Studio {
  /** @type {Map<string, Promise<Image[]>>} */
  inputs = new Map();
  /** @type {Map<string, number>} */
  lengths = new Map();

  /** @param {Sizes} sizes @param {string} samples folder for pictures of what students make */
  constructor(sizes, samples) {
    this.sizes = sizes;
    this.samples = samples;
    this.photographs = training();
    this.targets = heldOut();
    this.jury = this.targets.then((targets) => new Jury(targets));
  }

  /** @param {Task} task */
  inputsOf(task) {
    const inputs = this.inputs.get(task.name) ?? this.targets.then((targets) => inputsOf(task, targets));
    this.inputs.set(task.name, inputs);
    return inputs;
  }

  /** The judges on the inputs themselves. @param {Task} task */
  async untrained(task) {
    const inputs = await this.inputsOf(task);
    await this.show(task, 'input', inputs);
    await this.show(task, 'target', await this.targets);
    return { judges: await (await this.jury).verdict(inputs, JUDGES) };
  }

  /** @param {Task} task @param {Recipe} recipe @param {number} seed */
  async trained(task, recipe, seed) {
    const { batch, side, steps } = this.sizes;
    const { loss, parts } = await this.objective(task, recipe);
    nn.manualSeed(seed);
    const trainer = await Trainer.create(new Restorer(), loss, optimizerFor(steps), {
      batch: [batch, 3, side, side],
      clipGradNorm: 1,
      seed,
    });
    const start = performance.now();
    for await (const { input, target } of this.loader(task, await this.photographs, seed).stream()) {
      await trainer.step(input, target);
      if (trainer.steps >= steps) break;
    }
    const secondsPerStep = (performance.now() - start) / 1000 / steps;
    const outputs = await outputsOf(trainer, await this.inputsOf(task));
    for (const part of [trainer, ...parts]) await part.dispose();
    if (seed === 0) await this.show(task, recipe.name, outputs);
    return { judges: await (await this.jury).verdict(outputs, judgesOf(recipe)), secondsPerStep };
  }

  /** @param {Task} task @param {readonly Image[]} photographs @param {number} seed */
  loader(task, photographs, seed) {
    const { batch, side } = this.sizes;
    return new DataLoader(new Pairs(task, photographs, side), { batchSize: batch, shuffle: true, seed });
  }

  /**
   * The loss of a recipe: each term by its share, in units of the length of its gradient where training starts. Step
   * sizes and the limit of the gradient then mean the same with every loss.
   *
   * @param {Task} task @param {Recipe} recipe
   */
  async objective(task, { terms }) {
    const reference = await this.gradientLength(task, 'l1');
    const shares = terms.reduce((sum, [, share]) => sum + share, 0);
    /** @type {[import('../dist/index.js').Loss, number][]} */
    const weighted = [];
    for (const [what, share] of terms) {
      weighted.push([await lossOf(what), ((share / shares) * reference) / (await this.gradientLength(task, what))]);
    }
    return { loss: new nn.WeightedLoss(weighted), parts: weighted.map(([loss]) => loss) };
  }

  /** Length of the gradient by the student's output, which at the start is its input. @param {Task} task @param {import('./losses.mjs').Term[0]} what */
  async gradientLength(task, what) {
    const key = JSON.stringify([task.name, what]);
    const known = this.lengths.get(key);
    if (known !== undefined) return known;
    const loss = await lossOf(what);
    const { value: batch } = await this.loader(task, await this.photographs, 0)
      .stream()
      .next();
    const { grad } = await loss.valueAndGrad(batch.input, batch.target);
    await loss.dispose();
    const length = Math.sqrt(grad.data.reduce((sum, value) => sum + value ** 2, 0));
    this.lengths.set(key, length);
    return length;
  }

  /** Keeps details as a strip. @param {Task} task @param {string} name @param {readonly Image[]} images */
  async show(task, name, images) {
    for (const [i, image] of details(images).entries()) {
      await writeAtomically(join(this.samples, task.name, `${name} ${i}.png`), await encodePng(image));
    }
  }
}

/** @param {Trainer} trainer @param {readonly Image[]} inputs @returns {Promise<Image[]>} */
export async function outputsOf(trainer, inputs) {
  const { dims, data } = await trainer.predict(stacked(inputs));
  const size = data.length / inputs.length;
  return inputs.map((_, i) => ({ dims: dims.slice(1), data: data.slice(i * size, (i + 1) * size) }));
}
