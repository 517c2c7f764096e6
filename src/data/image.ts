/** Images from files, as tensors. */
import sharp from 'sharp';
import { readBytes } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { parseNpy } from './npy.js';
import type { ImageTensor } from './tensor.js';
import { type Pixels, Uint8Image } from './uint8-image.js';

/**
 * Reads PNG, JPEG or WebP to [1, 3, H, W] in [0, 1] (EXIF orientation applied, alpha dropped), or a .npy as float32, as it is.
 * @throws GlobalPercError when the file is missing or not such an image.
 */
export async function readImage(path: string): Promise<ImageTensor> {
  const bytes = await readBytes(path);
  if (path.endsWith('.npy')) return parseNpy(bytes, path);
  try {
    const { dims, data } = new Uint8Image(await decode(bytes));
    return { dims: [1, ...dims], data };
  } catch (error) {
    throw new GlobalPercError(
      `${path} is not an image that can be read (PNG, JPEG, WebP or .npy): ${(error as Error).message}`,
    );
  }
}

/**
 * Decodes an image to RGB: EXIF orientation applied, alpha dropped. Rejects when it is damaged.
 * @param source the file's path or its bytes.
 * @param size [height, width] to scale it to cover; what lies beyond is cut off on both sides.
 */
export async function decode(source: string | Uint8Array, size?: readonly [number, number]): Promise<Pixels> {
  const image = sharp(source).rotate().removeAlpha().toColourspace('srgb');
  if (size) image.resize({ height: size[0], width: size[1], fit: 'cover' });
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true }).catch(rethrow);
  return { bytes: data, height: info.height, width: info.width };
}

/** libvips keeps one error text for all images being decoded, so only the sentences of sharp itself are about this one. */
function rethrow(error: Error): never {
  throw error.message.startsWith('Input ') ? error : new GlobalPercError('its pixels are damaged or cut short');
}
