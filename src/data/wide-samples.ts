/** Images whose samples have more than 8 bits, decoded without losing any. */
import { GlobalPercError } from '../graph/index.js';
import { applyProfile } from './colour-profile.js';
import type { Pixels } from './decoded-image.js';
import type { Decoding, ImageHeader } from './decoding.js';
import { loadSharp } from './sharp.js';

/** Spaces whose samples are grey or RGB; others, such as CMYK and Lab, are converted by the library. */
const PLAIN: readonly (string | undefined)[] = ['b-w', 'grey16', 'srgb', 'rgb', 'rgb16', 'scrgb', 'multiband'];

/** The largest 16-bit sample. */
const MOST = 65535;

/** Whether an image should be decoded here. */
export const isWide = ({ depth, space }: ImageHeader): boolean => depth !== 'uchar' && PLAIN.includes(space);

/**
 * Decodes an image to sRGB floats: integers divided by their largest value and converted from their profile, floats by
 * their value. Alpha is a part of the whole; it is applied to sRGB values.
 * @throws GlobalPercError when a sample is signed, complex, of half precision and grey, NaN, or outside [0, 1].
 */
export async function decodeWide(
  bytes: Uint8Array,
  header: ImageHeader,
  { size, alpha = 'white' }: Decoding,
): Promise<Pixels> {
  const { space, icc, bitsPerSample = 16 } = header;
  const depth = depthOf(header);
  // Profiles are not applied by the library: to 16 bits it does so coarsely, and goes to Display P3.
  const sharp = await loadSharp();
  const image = sharp(bytes, { ignoreIcc: true })
    .rotate()
    .removeAlpha()
    .toColourspace(space as string);
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  const { channels, height, width } = info;
  if (channels !== 1 && channels !== 3) throw refused(`it has ${channels} channels that are not colours`);
  const values = valuesOf(Uint8Array.from(data), depth);
  // Samples of 10 or 12 bits are shifted up to 16.
  const most = { float: 1, uint: 2 ** 32 - 1, ushort: (2 ** bitsPerSample - 1) * 2 ** (16 - bitsPerSample) }[depth];
  const samples = Float32Array.from({ length: 3 * height * width }, (_, i) => {
    const at = channels === 3 ? i : Math.floor(i / 3);
    return (values[at] as number) / most;
  });
  if (depth === 'float') requireRange(samples, width, 3);
  else if (icc) applyProfile(icc, samples, channels === 1);
  if (header.hasAlpha && alpha === 'white') {
    const opacity = Float32Array.from(await alphaOf(bytes, space as string, depth), (value) => value / most);
    if (depth === 'float') requireRange(opacity, width, 1);
    composeOverWhite(samples, opacity);
  }
  return size ? await resized({ samples, height, width }, size) : { samples, height, width };
}

/** The samples of the last channel. */
async function alphaOf(bytes: Uint8Array, space: string, depth: Depth): Promise<Samples> {
  const sharp = await loadSharp();
  const image = sharp(bytes, { ignoreIcc: true }).rotate();
  // Written in the grey space alpha is left out, and taken out of another space it is of 8 bits.
  const kept = space === 'b-w' ? image.extractChannel('alpha') : image.toColourspace(space);
  const { data, info } = await kept.raw({ depth }).toBuffer({ resolveWithObject: true });
  return valuesOf(Uint8Array.from(data), depth).filter((_, i) => (i + 1) % info.channels === 0);
}

/** a·x + (1 − a)·1 */
function composeOverWhite(samples: Float32Array, opacity: Float32Array): void {
  for (let i = 0; i < samples.length; i += 1) {
    const share = opacity[Math.floor(i / 3)] as number;
    samples[i] = share * (samples[i] as number) + (1 - share);
  }
}

type Depth = 'ushort' | 'uint' | 'float';
type Samples = Uint16Array | Uint32Array | Float32Array;

function depthOf({ depth, space }: ImageHeader): Depth {
  // The library takes half-precision greys for integers.
  if (depth === 'float' && space !== 'grey16') return depth;
  if (depth === 'ushort' || depth === 'uint') return depth;
  throw refused(`its samples are ${depth === 'float' ? 'grey half-precision floats' : `of the type ${depth}`}`);
}

function valuesOf({ buffer }: Uint8Array<ArrayBuffer>, depth: Depth): Samples {
  if (depth === 'ushort') return new Uint16Array(buffer);
  return depth === 'uint' ? new Uint32Array(buffer) : new Float32Array(buffer);
}

function requireRange(samples: Float32Array, width: number, channels: number): void {
  const at = samples.findIndex((value) => !(value >= 0 && value <= 1));
  if (at < 0) return;
  const pixel = Math.floor(at / channels);
  throw refused(
    `its float samples should be in [0, 1], one is ${samples[at]} (row ${Math.floor(pixel / width)}, column ${pixel % width})`,
  );
}

/** Scales to cover a size, in 16 bits. */
async function resized({ samples, height, width }: Pixels, size: readonly [number, number]): Promise<Pixels> {
  const raw = Uint16Array.from(samples, (value) => Math.round(value * MOST));
  const sharp = await loadSharp();
  const { data, info } = await sharp(raw, { raw: { height, width, channels: 3 } })
    .resize({ height: size[0], width: size[1], fit: 'cover' })
    .toColourspace('rgb16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const values = valuesOf(Uint8Array.from(data), 'ushort');
  return {
    samples: Float32Array.from(values, (value) => value / MOST),
    height: info.height,
    width: info.width,
  };
}

const refused = (problem: string): GlobalPercError =>
  new GlobalPercError(`${problem}; convert it to 8 or 16-bit integers`, { code: 'invalid-file' });
