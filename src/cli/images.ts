/** Images of the command line: pictures are in [0, 1], arrays in what they are said to hold. */
import { type ImageTensor, readImage } from '../data/index.js';
import { GlobalPercLoss, type InputRange, type Loss } from '../index.js';

/** The range that a loss takes images in. */
export const rangeOf = (loss: Loss): InputRange =>
  (loss instanceof GlobalPercLoss ? loss.config.inputRange : undefined) ?? [0, 1];

/** What was read, in a range: pictures are brought to it, arrays are in it. */
export function inRange(path: string, { dims, data }: ImageTensor, [low, high]: InputRange): ImageTensor {
  if (path.endsWith('.npy')) return { dims, data };
  return { dims, data: data.map((value) => low + value * (high - low)) };
}

/** A mask `[B, 1, H, W]`: a picture's lightness, or an array `[H, W]`, `[1, H, W]` or of all four dimensions. */
export async function readMask(path: string): Promise<ImageTensor> {
  const { dims, data } = await readImage(path);
  if (path.endsWith('.npy')) return { dims: [1, 1, 1, 1].slice(0, Math.max(0, 4 - dims.length)).concat(dims), data };
  const area = data.length / 3;
  const mean = (i: number): number =>
    [0, 1, 2].reduce((sum, channel) => sum + (data[channel * area + i] as number), 0) / 3;
  return { dims: [1, 1, ...dims.slice(2)], data: Float32Array.from({ length: area }, (_, i) => mean(i)) };
}
