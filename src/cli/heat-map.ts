/** The scale of heat maps, written below a picture that has some. */
import { encodePng } from '../data/index.js';
import { loadPeer } from '../peers/index.js';
import { colourBar } from './colours.js';

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
