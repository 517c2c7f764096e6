/** Images from files, as tensors. */
import { openForReading, readBytes } from '../files/index.js';
import { fileKind, GlobalPercError, KIND_BYTES } from '../graph/index.js';
import { type Checks, checkOptions } from '../options/index.js';
import { isCameraRaw } from './camera-raw.js';
import { DecodedImage, type Pixels } from './decoded-image.js';
import { type Alpha, type Decoding, type ImageHeader, isAlpha } from './decoding.js';
import { parseNpy } from './npy.js';
import { loadSharp } from './sharp.js';
import type { ImageTensor } from './tensor.js';
import { decodeWide, isWide } from './wide-samples.js';

const READABLE = 'PNG, JPEG, WebP, TIFF, AVIF, GIF and .npy';

/** Options of readImage. */
export interface ReadImageOptions {
  /** What becomes of transparency. Default `'white'`. */
  readonly alpha?: Alpha;
}

const READ: Checks<ReadImageOptions> = { alpha: isAlpha };

/**
 * Reads an image to [1, 3, H, W] in [0, 1], in sRGB, or a .npy as `parseNpy` does.
 *
 * PNG, JPEG, WebP, TIFF, AVIF and GIF: EXIF orientation and colour profile applied, grey repeated, transparent parts
 * composed over white in sRGB values, as browsers do, CMYK and Lab converted; of an animation or several pages the first. 8-bit samples are v/255, 16-bit ones v/65535, 32-bit
 * unsigned TIFF samples v/(2³² − 1); float TIFF samples are taken by their value, whatever profile is beside them.
 * @throws GlobalPercError when the file is missing, damaged, empty or of another format, or a sample is signed, complex,
 * NaN or outside [0, 1], on an unknown option, and when it is a picture and sharp is not installed.
 */
export async function readImage(path: string, options: ReadImageOptions = {}): Promise<ImageTensor> {
  const { alpha } = checkOptions(options, READ, 'readImage');
  const bytes = await readBytes(path);
  if (path.endsWith('.npy')) return parseNpy(bytes, path);
  await loadSharp();
  try {
    const { dims, data } = new DecodedImage(await decode(bytes, { alpha }));
    return { dims: [1, ...dims], data };
  } catch (error) {
    throw new GlobalPercError(`${path} is not an image that can be read: ${(error as Error).message}`, {
      code: 'invalid-file',
      cause: error,
    });
  }
}

/**
 * Decodes an image to RGB as `readImage` describes it. Rejects, saying why, when that is not possible.
 * @param source the file's path or its bytes.
 */
export async function decode(source: string | Uint8Array, how: Decoding = {}): Promise<Pixels> {
  const bytes = typeof source === 'string' ? await readBytes(source) : source;
  const header = await headerOf(bytes);
  if (isCameraRaw(bytes)) throw unreadable('a camera raw file (DNG, NEF, ARW or the like)');
  try {
    return isWide(header) ? await decodeWide(bytes, header, how) : await decodeBytes(bytes, how);
  } catch (error) {
    throw explained(error, bytes);
  }
}

/**
 * What is known of an image before it is decoded. Rejects, saying why, when it will not be decoded either.
 * @param source the file's path or its bytes.
 */
export async function headerOf(source: string | Uint8Array): Promise<ImageHeader> {
  const header = await metadataOf(source);
  // The container is read, but what is in it needs a decoder that is not there.
  if (header.format === 'heif' && header.compression !== 'av1') throw unreadable('a HEIC image');
  return header;
}

async function decodeBytes(bytes: Uint8Array, { size, alpha }: Decoding): Promise<Pixels> {
  const sharp = await loadSharp();
  const turned = sharp(bytes).rotate();
  const image = (alpha === 'drop' ? turned.removeAlpha() : turned.flatten({ background: 'white' })).toColourspace(
    'srgb',
  );
  if (size) image.resize({ height: size[0], width: size[1], fit: 'cover' });
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== 3)
    throw new GlobalPercError(`it has ${info.channels} channels that are not colours`, { code: 'invalid-file' });
  return { samples: data, height: info.height, width: info.width };
}

async function metadataOf(source: string | Uint8Array): Promise<ImageHeader> {
  const sharp = await loadSharp();
  try {
    return await sharp(source).metadata();
  } catch (error) {
    throw explained(error, typeof source === 'string' ? await beginOf(source) : source);
  }
}

async function beginOf(path: string): Promise<Uint8Array> {
  const file = await openForReading(path);
  return file.read(0, Math.min(file.length, KIND_BYTES));
}

/** Why an image is not read: its format, or what is wrong with it. */
function explained(error: unknown, bytes: Uint8Array): GlobalPercError {
  if (error instanceof GlobalPercError) return error;
  const kind = fileKind(bytes) ?? 'a file that begins like no image that is known';
  if (!/^an? (PNG|JPEG|WebP|TIFF|AVIF|GIF) image$/.test(kind)) return unreadable(kind, error);
  const { message } = error as Error;
  // libvips keeps one error text for all images being decoded, so only the sentences of sharp itself are about this one.
  const reason = message.startsWith('Input ') ? message : 'its pixels are damaged or cut short';
  const unsupported = /samples out of range/.test(message);
  return new GlobalPercError(
    unsupported ? 'its samples are of a type that is not read; convert them to 16-bit integers' : reason,
    { code: 'invalid-file', cause: error },
  );
}

/** @param kind what the file is instead of an image that can be decoded. */
function unreadable(kind: string, cause?: unknown): GlobalPercError {
  const missing = /^an? .* image$|\(/.test(kind) ? ', for which there is no decoder here' : '';
  return new GlobalPercError(`it is ${kind}${missing}; read are ${READABLE}`, { code: 'invalid-file', cause });
}
