/** Numbers as colours: heat maps of where images differ, and the bar that says what their colours mean. */
import { encodePng, type ImageTensor } from '../data/index.js';
import { loadPeer } from '../peers/index.js';

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

/** Pixels. */
const [BAR_HEIGHT, BAR_WIDTH, GAP, FONT] = [16, 256, 12, 16];

/**
 * A picture with the scale of the heat maps in it written below.
 * @param picture PNG.
 * @param caption what the colours are, to the left of the bar.
 * @param most what the brightest colour stands for.
 * @returns PNG.
 */
export async function withScale(picture: Uint8Array, caption: string, most: number): Promise<Uint8Array> {
  const { default: sharp } = await loadPeer('sharp', () => import('sharp'));
  const { width = 0, height = 0 } = await sharp(picture).metadata();
  const left = width - GAP - 4 * FONT - BAR_WIDTH;
  const baseline = height + FONT - 3;
  const texts = [
    `<text x="${left - GAP}" y="${baseline}" text-anchor="end">${caption}: 0</text>`,
    `<text x="${left + BAR_WIDTH + GAP}" y="${baseline}">${most.toPrecision(2)}</text>`,
  ];
  const attributes = `width="${width}" height="${height + BAR_HEIGHT + GAP}" font-family="sans-serif" font-size="${FONT}" fill="#222"`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${attributes}>${texts.join('')}</svg>`;
  return sharp(picture)
    .extend({ bottom: BAR_HEIGHT + GAP, background: 'white' })
    .composite([
      { input: Buffer.from(svg) },
      { input: Buffer.from(await encodePng(colourBar(BAR_HEIGHT, BAR_WIDTH))), top: height, left },
    ])
    .png()
    .toBuffer();
}
