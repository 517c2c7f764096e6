/** Augmentations and degradations from JSON: the same keys as in the constructors. */
import { type Check, type Checks, choice, listOf, made, number, required, withArgument } from '../options/index.js';
import { requireSize, type Size } from '../transforms/size.js';
import {
  CenterCrop,
  Compose,
  type PairedTransform,
  RandomCrop,
  RandomHorizontalFlip,
  RandomRotate90,
} from './augment.js';
import {
  Autoencode,
  DENOISE,
  type Degradation,
  Denoise,
  INPAINT,
  Inpaint,
  SUPER_RESOLUTION,
  SuperResolution,
} from './degradation.js';

const DEGRADATIONS: Readonly<Record<string, Check<Degradation>>> = {
  superResolution: made(SUPER_RESOLUTION, (options) => new SuperResolution(options)),
  denoise: made(DENOISE, (options) => new Denoise(options)),
  inpaint: made(INPAINT, (options) => new Inpaint(options)),
  autoencode: made({}, () => new Autoencode()),
};

/**
 * `"autoencode"`, `{ "superResolution": { "scale": 4 } }`, `{ "denoise": { "sigma": 0.1 } }` or
 * `{ "inpaint": { "count": 4, "size": [0.1, 0.3] } }`; a name alone takes the defaults.
 * @param where names the place in messages.
 * @throws GlobalPercError on an unknown degradation or key, naming the nearest, or an option out of range.
 */
export const degradationFromJSON = (json: unknown, where = 'degradation'): Degradation =>
  choice(DEGRADATIONS)(json, where);

interface Sized {
  readonly size: Size;
}

interface Flipped {
  readonly p?: number;
}

const SIZED: Checks<Sized> = { size: required(requireSize) };
const FLIPPED: Checks<Flipped> = { p: number({ least: 0, most: 1 }) };

const AUGMENTATIONS: Readonly<Record<string, Check<PairedTransform>>> = {
  randomCrop: withArgument(
    'size',
    made(SIZED, ({ size }) => new RandomCrop(size)),
  ),
  centerCrop: withArgument(
    'size',
    made(SIZED, ({ size }) => new CenterCrop(size)),
  ),
  randomHorizontalFlip: withArgument(
    'p',
    made(FLIPPED, ({ p }) => new RandomHorizontalFlip(p)),
  ),
  randomRotate90: made({}, () => new RandomRotate90()),
};

/**
 * `[{ "randomCrop": 64 }, { "centerCrop": [64, 96] }, { "randomHorizontalFlip": 0.5 }, "randomRotate90"]`
 * @param where names the place in messages.
 * @throws GlobalPercError on an unknown augmentation or key, naming the nearest, or a value out of range.
 */
export const augmentationFromJSON = (json: unknown, where = 'augment'): PairedTransform =>
  new Compose(listOf(choice(AUGMENTATIONS))(json, where));
