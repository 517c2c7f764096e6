/** A gradient as a picture: where brighter pixels would raise a loss, and where they would lower it. */
import { encodePng, type ImageTensor } from '../data/index.js';
import { gradientColours } from './colours.js';

/** A picture, and the size of the gradient from its strongest colours on. */
export interface GradientPicture {
  readonly png: Uint8Array;
  readonly most: number;
}

/** @param gradient `[B, C, H, W]`: summed over channels, samples below each other. */
export async function gradientPicture(gradient: ImageTensor): Promise<GradientPicture> {
  const { image, most } = gradientColours(gradient);
  return { png: await encodePng(image), most };
}
