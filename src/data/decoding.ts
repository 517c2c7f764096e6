/** How image files become images. */
import { type Check, oneOf } from '../options/index.js';

/**
 * What becomes of transparency: `'white'` is the image as it looks on white paper, `'drop'` its colours as they are stored,
 * also where none of them shows.
 */
export type Alpha = 'white' | 'drop';

/** Checks a way of dealing with transparency. */
export const isAlpha: Check<Alpha> = oneOf('white', 'drop');

/** What is known of an image before it is decoded: as sharp tells it, https://sharp.pixelplumbing.com/api-input#metadata */
export interface ImageHeader {
  readonly format: string;
  readonly compression?: string | undefined;
  /** Type of a sample: `uchar`, `ushort`, `float` … */
  readonly depth: string;
  readonly bitsPerSample?: number | undefined;
  /** Name of the colour space. */
  readonly space: string;
  readonly hasAlpha: boolean;
  /** Colour profile. */
  readonly icc?: Uint8Array | undefined;
  /** Size after EXIF orientation. */
  readonly autoOrient: { readonly height: number; readonly width: number };
}

/** How an image is decoded. */
export interface Decoding {
  /** [height, width] to scale it to cover; what lies beyond is cut off on both sides. */
  readonly size?: readonly [number, number] | undefined;
  /** Default `'white'`. */
  readonly alpha?: Alpha | undefined;
}
