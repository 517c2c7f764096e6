/** The demo's task in a page: photographs at half resolution are to become sharp again. */
import {
  DataLoader,
  type Dataset,
  type Generator,
  GlobalPercLoss,
  type LoadProgress,
  LPIPS,
  nn,
  type Objective,
  type Sample,
} from 'globalperc';
import { crop, type ImageTensor, RandomCrop } from 'globalperc/data';
import { DEGRADATION, misaligned, perceptualConfig, WIDE, withL1 } from '../../../dist/cli/demo-student.js';
import { fetchPicture, sidesOf } from '../engine/image.js';
import { PHOTOS, TRAINING } from '../engine/photos.js';

/** What a student is trained with. */
export const LOSSES = {
  both: 'L1 and a perceptual loss',
  l1: 'L1 alone',
} as const;

export type LossName = keyof typeof LOSSES;

export const BATCH = 8;
/** Side of the held-out part that is shown. */
const SHOWN = 192;
/** Photographs are trained on as they are. */
const WHOLE = 10_000;

/** Pairs of a few photographs. */
class Pairs implements Dataset {
  private readonly photos: readonly ImageTensor[];
  private readonly cut = new RandomCrop(WIDE);

  constructor(photos: readonly ImageTensor[]) {
    this.photos = photos;
  }

  get length(): number {
    return this.photos.length;
  }

  async get(index: number, generator: Generator): Promise<Sample> {
    const [wide] = this.cut.apply([this.photos[index] as ImageTensor], generator);
    return misaligned(wide as ImageTensor, generator);
  }
}

const photo = async (name: string): Promise<ImageTensor> => (await fetchPicture(`photos/${name}.jpg`, WHOLE)).image;

/** The photographs to learn from, in batches. */
export async function trainingData(seed: number): Promise<DataLoader> {
  return new DataLoader(new Pairs(await Promise.all(TRAINING.map(photo))), { batchSize: BATCH, shuffle: true, seed });
}

/** A part of a photograph that is kept out of training, and what the student is given of it. */
export async function heldOut(): Promise<{ readonly input: ImageTensor; readonly target: ImageTensor }> {
  const whole = await photo(PHOTOS.boats);
  const [height, width] = sidesOf(whole);
  const target = crop(whole, { top: height - SHOWN - 60, left: (width - SHOWN) / 2, height: SHOWN, width: SHOWN });
  return { input: DEGRADATION.degrade(target), target };
}

/** The loss by its name; the perceptual one comes with AlexNet. */
export async function objective(name: LossName, onProgress: (progress: LoadProgress) => void): Promise<Objective> {
  if (name === 'l1') return new nn.L1Loss();
  const { model } = await new LPIPS().network({ onProgress });
  return withL1(new GlobalPercLoss(model, perceptualConfig()));
}
