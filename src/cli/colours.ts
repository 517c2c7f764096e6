/** Numbers as colours, without files: heat maps of where images differ, and gradients. The page draws with them, too. */
import type { ImageTensor } from '../data/browser.js';

/**
 * Inferno (Smith and van der Walt 2015, https://bids.github.io/colormap/) at equal distances, linear between them: equal steps look
 * equal, and lightness alone gives their order, printed in grey and to the colour-blind too.
 */
const INFERNO = [
  [0, 0, 4],
  [22, 11, 57],
  [66, 10, 104],
  [106, 23, 110],
  [147, 38, 103],
  [188, 55, 84],
  [221, 81, 58],
  [243, 120, 25],
  [252, 165, 10],
  [246, 215, 70],
  [252, 255, 164],
] as const;

/**
 * Values of an image's places as colours.
 * @param values `[height · width]`, row by row; those below 0 look as 0 does, those above `most` as `most`.
 * @param most the value of the brightest colour; 0 where there is nothing to see.
 * @returns `[3, height, width]` in [0, 1].
 */
export function heatMap(values: ArrayLike<number>, height: number, width: number, most: number): ImageTensor {
  const area = height * width;
  const data = new Float32Array(3 * area);
  for (let i = 0; i < area; i += 1) {
    const colour = colourOf(most > 0 ? (values[i] as number) / most : 0);
    for (const [channel, level] of colour.entries()) data[channel * area + i] = level / 255;
  }
  return { dims: [3, height, width], data };
}

/** Levels of red, green and blue from 0 to 255. @param share of the way from the first colour to the last. */
function colourOf(share: number): number[] {
  const place = Math.min(Math.max(share, 0), 1) * (INFERNO.length - 1);
  const below = Math.min(Math.floor(place), INFERNO.length - 2);
  const [from, to] = [INFERNO[below], INFERNO[below + 1]] as [readonly number[], readonly number[]];
  return from.map((level, i) => level + (place - below) * ((to[i] as number) - level));
}

/** How much of an image is left to see below its heat map. */
const LEFT = 0.35;

/**
 * A heat map over the image it belongs to, which is grey, so that every colour is the map's.
 * @param map `[3, H, W]` of `heatMap`.
 * @param image `[3, H, W]` or `[1, H, W]` in [0, 1], of the same size.
 */
export function blended(map: ImageTensor, { data }: ImageTensor): ImageTensor {
  const area = map.data.length / 3;
  const channels = data.length / area;
  const grey = (place: number): number => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += data[channel * area + place] as number;
    return Math.min(Math.max(sum / channels, 0), 1);
  };
  return { dims: map.dims, data: map.data.map((level, i) => LEFT * grey(i % area) + (1 - LEFT) * level) };
}

/** Every colour from 0, at the left, to `most`, at the right. @returns `[3, height, width]` in [0, 1]. */
export function colourBar(height: number, width: number): ImageTensor {
  const values = Float32Array.from({ length: height * width }, (_, i) => i % width);
  return heatMap(values, height, width, width - 1);
}

/** Blue, where the gradient is most negative, white at 0, and red: levels from 0 to 255. */
const [NEGATIVE, ZERO, POSITIVE] = [
  [33, 102, 172],
  [255, 255, 255],
  [178, 24, 43],
] as const;

/** The part of the pixels whose gradient may be beyond the strongest colours: few are far above all others. */
const BEYOND = 0.01;

/** A gradient as an image `[3, batch · H, W]` in [0, 1], and its size from the strongest colours on. */
export interface GradientColours {
  readonly image: ImageTensor;
  readonly most: number;
}

/** @param gradient `[B, C, H, W]`: summed over channels, samples below each other. */
export function gradientColours({ dims, data }: ImageTensor): GradientColours {
  const [batch = 1, channels = 1, height = 1, width = 1] = dims;
  const area = height * width;
  const values = Float32Array.from({ length: batch * area }, (_, i) => {
    const start = Math.floor(i / area) * channels * area + (i % area);
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += data[start + channel * area] as number;
    return sum;
  });
  const sizes = values.map(Math.abs).sort();
  const most = sizes[Math.ceil((1 - BEYOND) * (sizes.length - 1))] as number;
  const image = new Float32Array(3 * values.length);
  for (const [i, value] of values.entries()) {
    const share = most > 0 ? Math.min(1, Math.max(-1, value / most)) : 0;
    const end = share < 0 ? NEGATIVE : POSITIVE;
    for (const [channel, level] of ZERO.entries()) {
      image[channel * values.length + i] = (level + Math.abs(share) * ((end[channel] as number) - level)) / 255;
    }
  }
  return { image: { dims: [3, batch * height, width], data: image }, most };
}
