/** A gradient as a picture: where brighter pixels would raise a loss, and where they would lower it. */
import { encodePng, type ImageTensor } from '../data/index.js';

/** Blue, where the gradient is most negative, white at 0, and red: levels from 0 to 255. */
const [NEGATIVE, ZERO, POSITIVE] = [
  [33, 102, 172],
  [255, 255, 255],
  [178, 24, 43],
] as const;

/** The part of the pixels whose gradient may be beyond the strongest colours: few are far above all others. */
const BEYOND = 0.01;

/** A picture, and the size of the gradient from its strongest colours on. */
export interface GradientPicture {
  readonly png: Uint8Array;
  readonly most: number;
}

/** @param gradient `[B, C, H, W]`: summed over channels, samples below each other. */
export async function gradientPicture({ dims, data }: ImageTensor): Promise<GradientPicture> {
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
  return { png: await encodePng({ dims: [3, batch * height, width], data: image }), most };
}
