/**
 * Distortions of images `[3, H, W]` in [0, 1], each at strengths from 1 to 10.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 */
import sharp from 'sharp';
import { Denoise } from '../dist/data/index.js';
import { fixedDraws } from './photographs.mjs';

/** @param {Image} image @param {(channel: number, y: number, x: number) => number} value @returns {Image} */
function mapped({ dims }, value) {
  const [channels = 0, height = 0, width = 0] = dims;
  const data = Float32Array.from({ length: channels * height * width }, (_, i) =>
    value(Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width),
  );
  return { dims, data };
}

/** Reads between pixels, bilinearly; beyond the border its edge is repeated. @param {Image} image */
function sampler({ dims: [, height = 0, width = 0], data }) {
  /** @param {number} channel @param {number} y @param {number} x */
  const at = (channel, y, x) => {
    const [row, column] = [Math.min(height - 1, Math.max(0, y)), Math.min(width - 1, Math.max(0, x))];
    return data[(channel * height + row) * width + column] ?? 0;
  };
  /** @param {number} channel @param {number} y @param {number} x */
  return (channel, y, x) => {
    const [row, column] = [Math.floor(y), Math.floor(x)];
    const [fy, fx] = [y - row, x - column];
    const above = at(channel, row, column) * (1 - fx) + at(channel, row, column + 1) * fx;
    if (fy === 0) return above;
    const below = at(channel, row + 1, column) * (1 - fx) + at(channel, row + 1, column + 1) * fx;
    return above * (1 - fy) + below * fy;
  };
}

/** Gaussian, one axis after the other. @param {Image} image @param {number} sigma in pixels */
export function blur(image, sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  /** @param {Image} source @param {number} dy @param {number} dx */
  const along = (source, dy, dx) => {
    const at = sampler(source);
    return mapped(source, (channel, y, x) =>
      weights.reduce(
        (sum, weight, i) => sum + (weight / total) * at(channel, y + (i - reach) * dy, x + (i - reach) * dx),
        0,
      ),
    );
  };
  return along(along(image, 0, 1), 1, 0);
}

/** JPEG with halved chroma, as most files are. @param {Image} image @param {number} quality from 1 to 100 */
export async function jpeg(image, quality) {
  const [channels = 3, height = 0, width = 0] = image.dims;
  const area = height * width;
  const bytes = Uint8Array.from({ length: 3 * area }, (_, i) =>
    Math.round(255 * Math.min(1, Math.max(0, image.data[(i % channels) * area + Math.floor(i / channels)] ?? 0))),
  );
  const raw = /** @type {const} */ ({ width, height, channels: 3 });
  const file = await sharp(bytes, { raw }).jpeg({ quality, chromaSubsampling: '4:2:0' }).toBuffer();
  const decoded = await sharp(file).raw().toBuffer();
  return mapped(image, (channel, y, x) => (decoded[(y * width + x) * 3 + channel] ?? 0) / 255);
}

/** To the right. @param {Image} image @param {number} pixels */
export function shift(image, pixels) {
  const at = sampler(image);
  return mapped(image, (channel, y, x) => at(channel, y, x - pixels));
}

/** Warmer: red gains what blue loses. @param {Image} image @param {number} amount */
function colour(image, amount) {
  const gains = [1 + amount, 1, 1 - amount];
  const at = sampler(image);
  return mapped(image, (channel, y, x) => Math.min(1, at(channel, y, x) * (gains[channel] ?? 1)));
}

/** Smooth displacements by up to `reach` pixels, waves of 40 and 31 pixels. @param {Image} image @param {number} reach */
function warp(image, reach) {
  const at = sampler(image);
  return mapped(image, (channel, y, x) => {
    const dy = reach * Math.sin((2 * Math.PI * (x + 0.3 * y)) / 40);
    const dx = reach * Math.sin((2 * Math.PI * (y - 0.2 * x)) / 31 + 1);
    return at(channel, y + dy, x + dx);
  });
}

/** Quality of JPEG at each strength. */
const QUALITIES = [90, 80, 70, 60, 50, 40, 30, 20, 10, 5];

/** Standard deviation of the blur at a strength, in pixels. @param {number} strength */
export const blurAt = (strength) => 0.3 * strength;

export const STRENGTHS = QUALITIES.map((_, i) => i + 1);

/** @type {Readonly<Record<string, (image: Image, strength: number) => Image | Promise<Image>>>} */
export const LADDERS = {
  blur: (image, strength) => blur(image, blurAt(strength)),
  noise: (image, strength) => new Denoise({ sigma: 0.02 * strength }).degrade(image, fixedDraws()),
  JPEG: (image, strength) => jpeg(image, QUALITIES[strength - 1] ?? 5),
  shift,
  colour: (image, strength) => colour(image, 0.03 * strength),
  warp: (image, strength) => warp(image, 0.4 * strength),
};
