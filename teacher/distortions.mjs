/**
 * Distortions of an image `[3, H, W]` in [0, 1], by a strength from 0 (hardly visible) to 1 (strong).
 *
 * @typedef {Pick<import('globalperc').Generator, 'uniform' | 'normal' | 'integer'>} Generator
 * @typedef {import('./textures.mjs').Image} Image
 */
import sharp from 'sharp';
import { between, valueNoise } from './textures.mjs';

/** Image from a function of channel, row and column. @param {Image} like @param {(c: number, y: number, x: number) => number} value @returns {Image} */
function mapped({ dims }, value) {
  const [channels = 0, height = 0, width = 0] = dims;
  const data = new Float32Array(channels * height * width);
  let at = 0;
  for (let c = 0; c < channels; c += 1) {
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, at += 1) data[at] = value(c, y, x);
    }
  }
  return { dims, data };
}

/** Reads an image at whole coordinates; beyond the border its edge is repeated. @param {Image} image */
function reader({ dims, data }) {
  const [, height = 0, width = 0] = dims;
  /** @param {number} c @param {number} y @param {number} x */
  return (c, y, x) => {
    const row = Math.min(height - 1, Math.max(0, y));
    const column = Math.min(width - 1, Math.max(0, x));
    return data[(c * height + row) * width + column] ?? 0;
  };
}

/** Reads an image between its pixels, bilinearly. @param {Image} image */
function sampler(image) {
  const at = reader(image);
  /** @param {number} c @param {number} y @param {number} x */
  return (c, y, x) => {
    const [row, column] = [Math.floor(y), Math.floor(x)];
    const [fy, fx] = [y - row, x - column];
    const above = at(c, row, column) * (1 - fx) + at(c, row, column + 1) * fx;
    const below = at(c, row + 1, column) * (1 - fx) + at(c, row + 1, column + 1) * fx;
    return above * (1 - fy) + below * fy;
  };
}

/** Gaussian blur with a standard deviation in pixels, one axis after the other. @param {Image} image @param {number} sigma @returns {Image} */
export function blur(image, sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  /** @param {Image} source @param {number} dy @param {number} dx */
  const along = (source, dy, dx) => {
    const at = reader(source);
    return mapped(source, (c, y, x) => {
      let sum = 0;
      for (let i = -reach; i <= reach; i += 1) sum += (weights[i + reach] ?? 0) * at(c, y + i * dy, x + i * dx);
      return sum / total;
    });
  };
  return along(along(image, 0, 1), 1, 0);
}

/** Normal noise, in colour or in grey. @param {Image} image @param {number} sigma @param {Generator} random @returns {Image} */
export function noise(image, sigma, random, grey = false) {
  const [, height = 0, width = 0] = image.dims;
  const draws = Float32Array.from({ length: grey ? height * width : image.data.length }, () => sigma * random.normal());
  return { dims: image.dims, data: image.data.map((value, i) => value + (draws[i % draws.length] ?? 0)) };
}

/** JPEG at a quality from 1 to 100. @param {Image} image @param {number} quality @returns {Promise<Image>} */
export async function jpeg(image, quality) {
  const [channels = 3, height = 0, width = 0] = image.dims;
  const area = height * width;
  const pixels = new Uint8Array(3 * area).map((_, i) =>
    Math.round(255 * Math.min(1, Math.max(0, image.data[(i % channels) * area + Math.floor(i / channels)] ?? 0))),
  );
  const raw = { raw: { width, height, channels: /** @type {const} */ (3) } };
  const file = await sharp(pixels, raw).jpeg({ quality, chromaSubsampling: '4:2:0' }).toBuffer();
  const decoded = await sharp(file).raw().toBuffer();
  return mapped(image, (c, y, x) => (decoded[(y * width + x) * 3 + c] ?? 0) / 255);
}

/** The image moved to the right by some pixels, a fraction bilinearly. @param {Image} image @param {number} pixels @returns {Image} */
export function shift(image, pixels) {
  const at = sampler(image);
  return mapped(image, (c, y, x) => at(c, y, x - pixels));
}

/** Squares of one colour. @param {Image} image @param {number} strength @param {Generator} random */
function pixelate(image, strength, random) {
  const side = Math.round(2 + 4 * strength);
  const [oy, ox] = [random.integer(side), random.integer(side)];
  const at = reader(image);
  /** @param {number} place @param {number} offset */
  const start = (place, offset) => Math.floor((place + offset) / side) * side - offset;
  return mapped(image, (c, y, x) => {
    const [top, left] = [start(y, oy), start(x, ox)];
    let sum = 0;
    for (let i = 0; i < side * side; i += 1) sum += at(c, top + Math.floor(i / side), left + (i % side));
    return sum / (side * side);
  });
}

/** More than is lost by a blur is added. @param {Image} image @param {number} strength @param {Generator} random */
function sharpen(image, strength, random) {
  const blurred = blur(image, between(random, 0.8, 2));
  const amount = 0.5 + 3 * strength;
  return { dims: image.dims, data: image.data.map((value, i) => value + amount * (value - (blurred.data[i] ?? 0))) };
}

/** A regular pattern, as upsampling networks leave it. @param {Image} image @param {number} strength @param {Generator} random */
function checkerboard(image, strength, random) {
  const period = [1, 1, 2, 4][random.integer(4)] ?? 1;
  const kind = random.integer(3);
  const amplitude = 0.02 + 0.1 * strength;
  const at = reader(image);
  return mapped(image, (c, y, x) => {
    const [u, v] = [Math.floor(x / period) % 2, Math.floor(y / period) % 2];
    const on = [(u + v) % 2, u, u * v][kind] ?? 0;
    return at(c, y, x) + amplitude * (2 * on - 1);
  });
}

/** @param {Image} image @param {number} strength @param {Generator} random */
function motion(image, strength, random) {
  const count = Math.round(3 + 8 * strength);
  const angle = between(random, 0, Math.PI);
  const at = sampler(image);
  const [dy, dx] = [Math.sin(angle), Math.cos(angle)];
  return mapped(image, (c, y, x) => {
    let sum = 0;
    for (let i = 0; i < count; i += 1) {
      const t = count * (i / (count - 1) - 0.5);
      sum += at(c, y + t * dy, x + t * dx);
    }
    return sum / count;
  });
}

/** Few levels per channel. @param {Image} image @param {number} strength */
function quantize(image, strength) {
  const levels = Math.round(16 * (3 / 16) ** strength) - 1;
  return { dims: image.dims, data: image.data.map((value) => Math.round(value * levels) / levels) };
}

/** Small random displacements. @param {Image} image @param {number} strength @param {Generator} random */
function warp(image, strength, random) {
  const cell = between(random, 3, 6);
  const [moveY, moveX] = [valueNoise(random, cell), valueNoise(random, cell)];
  const reach = 2 * (0.8 + 3 * strength);
  const at = sampler(image);
  return mapped(image, (c, y, x) => at(c, y + reach * (moveY(x, y) - 0.5), x + reach * (moveX(x, y) - 0.5)));
}

/** @type {readonly ((image: Image, strength: number, random: Generator) => Image | Promise<Image>)[]} */
const KINDS = [
  (image) => image,
  (image, strength) => blur(image, 0.5 + 2.5 * strength),
  (image, strength, random) => noise(image, 0.02 + 0.16 * strength, random, random.uniform() < 0.5),
  (image, strength) => jpeg(image, Math.round(60 * (5 / 60) ** strength)),
  pixelate,
  sharpen,
  checkerboard,
  motion,
  quantize,
  warp,
];

/** Number of distortion classes; class 0 leaves the image as it is. */
export const DISTORTIONS = KINDS.length;

/** The distorted image, in [0, 1]. @param {number} kind @param {Image} image @param {number} strength @param {Generator} random */
export async function distort(kind, image, strength, random) {
  const { dims, data } = (await KINDS[kind]?.(image, strength, random)) ?? image;
  return { dims, data: data.map((value) => Math.min(1, Math.max(0, value))) };
}
