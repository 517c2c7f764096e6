/** Transforms from the JSON configuration of the command line. */
import { GlobalPercError } from '../graph/index.js';
import { Compose, Normalize, type NormalizeOptions, PermuteChannels } from './basic.js';
import { CenterCrop, Pad, type Padding, type PadOptions, RandomCrop, type RandomCropOptions } from './crop.js';
import { Resize, type ResizeOptions, type ResizeSize } from './resize.js';
import type { Size } from './size.js';
import type { Transform } from './transform.js';

type WithOptions<Argument, Options> = Argument | ({ readonly size: Argument } & Options);

/** Splits `504`, `[504, 504]` or `{ "size": …, … }` into the argument and the options. */
function argumentAndOptions<Argument, Options>(
  json: WithOptions<Argument, Options>,
  key: string,
  known: readonly (keyof Options & string)[],
): [Argument, Options] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return [json as Argument, {} as Options];
  const { [key]: argument, ...options } = json as Record<string, unknown>;
  const unknown = Object.keys(options).find((name) => !known.some((other) => other === name));
  if (unknown !== undefined) {
    throw new GlobalPercError(
      `transform option '${unknown}' is not known; expected ${[key, ...known].join(', ')} in ${JSON.stringify(json)}`,
    );
  }
  return [argument as Argument, options as Options];
}

const RESIZE_OPTIONS = [
  'interpolation',
  'antialias',
  'maxSize',
  'keepAspectRatio',
  'ensureMultipleOf',
  'rounding',
] as const;

const MAKERS: Readonly<Record<string, (json: never) => Transform>> = {
  centerCrop: (json: Size) => new CenterCrop(json),
  normalize: (json: NormalizeOptions) => new Normalize(Object(json)),
  pad: (json: WithOptions<Padding, PadOptions>) =>
    new Pad(...argumentAndOptions<Padding, PadOptions>(json, 'padding', ['mode', 'fill'])),
  permuteChannels: (json: readonly number[]) => new PermuteChannels(json),
  randomCrop: (json: WithOptions<Size, RandomCropOptions>) =>
    new RandomCrop(...argumentAndOptions<Size, RandomCropOptions>(json, 'size', ['seed'])),
  resize: (json: WithOptions<ResizeSize, ResizeOptions>) =>
    new Resize(...argumentAndOptions<ResizeSize, ResizeOptions>(json, 'size', RESIZE_OPTIONS)),
};

/**
 * `[{ "centerCrop": [504, 504] }, { "normalize": { "mean": […], "std": […] } }, { "pad": 10 },
 * { "resize": { "size": 256, "interpolation": "bicubic" } }, { "randomCrop": 224 },
 * { "permuteChannels": [2, 1, 0] }]`
 * @throws GlobalPercError naming an unknown transform.
 */
export function fromJSON(json: unknown): Transform {
  if (!Array.isArray(json)) throw new GlobalPercError('transformNormalization should be a list of transforms');
  return new Compose(
    json.map((entry: unknown) => {
      const [name, ...more] = Object.keys(entry ?? {});
      const make = name !== undefined && Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
      if (make === undefined || more.length > 0) {
        throw new GlobalPercError(
          `transform ${JSON.stringify(entry)} is not known; expected one of ${Object.keys(MAKERS).join(', ')}`,
        );
      }
      return make((entry as Record<string, never>)[name as string] as never);
    }),
  );
}
