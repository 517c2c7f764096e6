/** Images from files, as tensors. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { GlobalPercError } from '../graph/index.js';
import { parseNpy } from './npy.js';
import type { ImageTensor } from './tensor.js';

/**
 * Reads PNG, JPEG or WebP to [1, 3, H, W] in [0, 1] (EXIF orientation applied, alpha dropped), or a float32 .npy as it is.
 * @throws GlobalPercError when the file is missing or not such an image.
 */
export async function readImage(path: string): Promise<ImageTensor> {
  const bytes = await readBytes(path);
  if (path.endsWith('.npy')) return parseNpy(bytes, path);
  try {
    const image = sharp(bytes).rotate().removeAlpha().toColourspace('srgb');
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    return toChannelsFirst(data, info.height, info.width);
  } catch (error) {
    throw new GlobalPercError(
      `${path} is not an image that can be read (PNG, JPEG, WebP or .npy): ${(error as Error).message}`,
    );
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new GlobalPercError(`cannot read '${path}': ${missing ? 'there is no such file' : (error as Error).message}`);
  }
}

function toChannelsFirst(pixels: Uint8Array, height: number, width: number): ImageTensor {
  const area = height * width;
  const data = new Float32Array(3 * area);
  for (let i = 0; i < area; i += 1) {
    for (let channel = 0; channel < 3; channel += 1)
      data[channel * area + i] = (pixels[3 * i + channel] as number) / 255;
  }
  return { dims: [1, 3, height, width], data };
}

/** Writes a file whole or not at all: beside its place first, then renamed. */
export async function writeAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new GlobalPercError(`cannot write '${path}': ${(error as Error).message}`);
  }
}
