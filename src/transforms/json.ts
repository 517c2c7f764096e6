/** Transforms from JSON: the same keys as in the constructors. */
import {
  type Check,
  type Checks,
  choice,
  count,
  integer,
  listOf,
  made,
  required,
  withArgument,
} from '../options/index.js';
import { Compose, GRAYSCALE, Grayscale, NORMALIZE, Normalize, PermuteChannels } from './basic.js';
import {
  CenterCrop,
  PAD,
  Pad,
  type Padding,
  type PadOptions,
  RANDOM_CROP,
  RandomCrop,
  type RandomCropOptions,
  RandomShift,
  requirePadding,
} from './crop.js';
import { RESIZE, Resize, type ResizeOptions, type ResizeSize, requireTarget } from './resize.js';
import { requireSize, type Size } from './size.js';
import type { Transform } from './transform.js';

interface Sized {
  readonly size: Size;
}

interface Targeted extends ResizeOptions {
  readonly size: ResizeSize;
}

interface Padded extends PadOptions {
  readonly padding: Padding;
}

interface Shifted extends RandomCropOptions {
  readonly pixels: number;
}

interface Permuted {
  readonly permutation: readonly number[];
}

const SIZED: Checks<Sized> = { size: required(requireSize) };
const PADDED: Checks<Padded> = { padding: required(requirePadding), ...PAD };
const PERMUTED: Checks<Permuted> = { permutation: required(listOf(integer(0))) };
const RESIZED: Checks<Targeted> = { size: required(requireTarget), ...RESIZE };
const CROPPED: Checks<Sized & RandomCropOptions> = { ...SIZED, ...RANDOM_CROP };

const SHIFTED: Checks<Shifted> = { pixels: required(count), ...RANDOM_CROP };

const TRANSFORMS: Readonly<Record<string, Check<Transform>>> = {
  centerCrop: withArgument(
    'size',
    made(SIZED, ({ size }) => new CenterCrop(size)),
  ),
  grayscale: made(GRAYSCALE, (options) => new Grayscale(options)),
  normalize: made(NORMALIZE, (options) => new Normalize(options)),
  pad: withArgument(
    'padding',
    made(PADDED, ({ padding, ...options }) => new Pad(padding, options)),
  ),
  permuteChannels: withArgument(
    'permutation',
    made(PERMUTED, ({ permutation }) => new PermuteChannels(permutation)),
  ),
  randomCrop: withArgument(
    'size',
    made(CROPPED, ({ size, ...options }) => new RandomCrop(size, options)),
  ),
  randomShift: withArgument(
    'pixels',
    made(SHIFTED, ({ pixels, ...options }) => new RandomShift(pixels, options)),
  ),
  resize: withArgument(
    'size',
    made(RESIZED, ({ size, ...options }) => new Resize(size, options)),
  ),
};

/**
 * `[{ "centerCrop": [504, 504] }, { "normalize": { "mean": […], "std": […] } }, { "pad": 10 },
 * { "resize": { "size": 256, "interpolation": "bicubic" } }, { "randomCrop": 224 },
 * { "randomShift": 7 }, { "permuteChannels": [2, 1, 0] }, { "grayscale": { "numOutputChannels": 3 } }]`
 * @param where names the place in messages.
 * @throws GlobalPercError on an unknown transform or key, naming the nearest, and on a value of the wrong type or out of range.
 */
export const fromJSON = (json: unknown, where = 'transformNormalization'): Transform =>
  new Compose(listOf(choice(TRANSFORMS))(json, where));
