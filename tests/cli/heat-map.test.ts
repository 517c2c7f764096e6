/** Heat maps: their colours, what lies beyond the scale, and what is seen below them. */

import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { blended, colourBar, heatMap } from '../../src/cli/colours.js';
import { withScale } from '../../src/cli/heat-map.js';
import { encodePng, type ImageTensor } from '../../src/data/index.js';

/** Levels from 0 to 255 of one place. */
const levels = ({ dims: [, height = 0, width = 0], data }: ImageTensor, place: number): number[] =>
  [0, 1, 2].map((channel) => Math.round(255 * (data[channel * height * width + place] as number)));

/** CIE L* of sRGB levels from 0 to 255: how light people see a colour, from 0 to 100. */
function lightness(colour: readonly number[]): number {
  const [red, green, blue] = colour.map((level) => {
    const value = level / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > (6 / 29) ** 3 ? 116 * Math.cbrt(luminance) - 16 : (29 / 3) ** 3 * luminance;
}

describe('heatMap', () => {
  it('gives each value its colour at its place', () => {
    const map = heatMap([0, 1, 2, 3, 4, 0.2], 2, 3, 4);
    expect(map.dims).toEqual([3, 2, 3]);
    expect(levels(map, 0)).toEqual([0, 0, 4]);
    expect(levels(map, 2)).toEqual([188, 55, 84]);
    expect(levels(map, 4)).toEqual([252, 255, 164]);
    // Half of the way between two anchors.
    expect(levels(map, 5)).toEqual([11, 6, 31]);
  });

  it('keeps to its scale beyond it, and is dark where there is nothing to see', () => {
    const map = heatMap([-1, 9], 1, 2, 4);
    expect([levels(map, 0), levels(map, 1)]).toEqual([
      [0, 0, 4],
      [252, 255, 164],
    ]);
    expect(levels(heatMap([0, 0], 1, 2, 0), 1)).toEqual([0, 0, 4]);
  });

  it('grows lighter all the way, by steps that look much alike', () => {
    const bar = colourBar(1, 21);
    const light = Array.from({ length: 21 }, (_, i) => lightness(levels(bar, i)));
    const steps = light.slice(1).map((value, i) => value - (light[i] as number));
    expect(Math.min(...steps)).toBeGreaterThan(2.5);
    expect(Math.max(...steps)).toBeLessThan(6.5);
  });
});

describe('blended', () => {
  const map = heatMap([0, 4], 1, 2, 4);

  it('shows the image in grey below the map', () => {
    const image = { dims: [3, 1, 2], data: Float32Array.of(1, 0.3, 0.2, 0.3, 0.3, 0.3) };
    // 0.35 · grey + 0.65 · map
    expect(levels(blended(map, image), 0)).toEqual([0, 0, 4].map((level) => Math.round(0.35 * 127.5 + 0.65 * level)));
    expect(levels(blended(map, image), 1)).toEqual(
      [252, 255, 164].map((level) => Math.round(0.35 * 76.5 + 0.65 * level)),
    );
  });

  it('takes a grey image, and values beyond [0, 1] as the nearest', () => {
    const image = { dims: [1, 1, 2], data: Float32Array.of(-3, 5) };
    expect(levels(blended(map, image), 0)).toEqual([0, 0, 3]);
    expect(levels(blended(map, image), 1)).toEqual(
      [252, 255, 164].map((level) => Math.round(0.35 * 255 + 0.65 * level)),
    );
  });
});

describe('withScale', () => {
  it('writes the bar below a picture, which stays as it is', async () => {
    const [height, width] = [40, 500];
    const grey = await encodePng({ dims: [1, height, width], data: new Float32Array(height * width).fill(0.5) });
    const { data, info } = await sharp(await withScale(grey, 'error', 0.37))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.height, info.width, info.channels]).toEqual([height + 28, width, 3]);
    const at = (y: number, x: number): number[] =>
      Array.from(data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3));
    expect(at(height - 1, width - 1)).toEqual([128, 128, 128]);
    const row = Array.from({ length: width }, (_, x) => at(height + 8, x));
    const first = row.findIndex((colour) => colour.join() === '0,0,4');
    const last = row.findIndex((colour) => colour.join() === '252,255,164');
    expect(last - first).toBe(255);
  });
});
