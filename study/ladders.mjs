/**
 * Distortion ladders: what each loss says of the photographs kept out of training, distorted in six ways at ten strengths.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 * @typedef {import('./losses.mjs').Term[0]} What
 * @typedef {{ name: string, what: What | { judge: string } }} Rung
 * @typedef {Record<string, number[][]>} Values by distortion: a row per photograph, a number per strength
 */
import { LADDERS, STRENGTHS } from './distortions.mjs';
import { clamped, JUDGES, Jury, stacked } from './judges.mjs';
import { lossOf, MAIN, VARIATIONS } from './losses.mjs';
import { heldOut } from './photographs.mjs';

/** Height and width of the pictures. */
export const LADDER_SIDE = 192;

/** Every loss of one term, and every judge. @type {readonly Rung[]} */
export const RUNGS = [
  ...[MAIN, ...Object.values(VARIATIONS)].flat().flatMap(({ name, terms: [first, ...others] }) => {
    return first && others.length === 0 ? [{ name, what: first[0] }] : [];
  }),
  ...JUDGES.map(({ name }) => ({ name, what: { judge: name } })),
];

/** Climbs ladders; distorted pictures are made once. */
export class Climber {
  constructor() {
    this.pictures = picturesOf();
  }

  /** @param {Rung} rung @returns {Promise<Values>} */
  async climb({ what }) {
    const { targets, distorted } = await this.pictures;
    /** @type {Values} */
    const values = Object.fromEntries(Object.keys(distorted).map((kind) => [kind, []]));
    if (typeof what === 'object' && 'judge' in what) {
      const judge = JUDGES.find(({ name }) => name === what.judge);
      for (const [photograph, target] of targets.entries()) {
        const jury = new Jury([target]);
        // Rank correlations are with strength: what is better must be less.
        const sign = judge?.higherIsBetter ? -1 : 1;
        await this.measure(values, photograph, async (image) => sign * (await jury.measured(what.judge, [image])));
        await jury.dispose();
      }
      return values;
    }
    const loss = await lossOf(what);
    for (const [photograph, target] of targets.entries()) {
      const encoded = await loss.encode(stacked([target]));
      await this.measure(values, photograph, (image) => loss.evaluate(stacked([image]), encoded));
    }
    await loss.dispose();
    return values;
  }

  /** @param {Values} values @param {number} photograph @param {(image: Image) => Promise<number>} measure */
  async measure(values, photograph, measure) {
    const { distorted } = await this.pictures;
    for (const [kind, byPhotograph] of Object.entries(distorted)) {
      /** @type {number[]} */
      const row = [];
      for (const image of byPhotograph[photograph] ?? []) row.push(Number((await measure(image)).toPrecision(5)));
      values[kind]?.push(row);
    }
  }
}

async function picturesOf() {
  const targets = await heldOut(LADDER_SIDE);
  /** @type {Record<string, Image[][]>} */
  const distorted = {};
  for (const [kind, distort] of Object.entries(LADDERS)) {
    distorted[kind] = await Promise.all(
      targets.map((target) => Promise.all(STRENGTHS.map(async (strength) => clamped(await distort(target, strength))))),
    );
  }
  return { targets, distorted };
}
