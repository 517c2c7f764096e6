/** The transform that a model of the Hugging Face hub was trained with, from its `preprocessor_config.json`. */
import { GlobalPercError } from '../graph/index.js';

/** Numbers that PIL gives to the ways of resampling; others are taken as bilinear. */
const BICUBIC = 3;

/** A transform as `fromJSON` takes it. */
export type TransformJSON = Readonly<Record<string, unknown>>;

/**
 * The transforms that bring images in [0, 1] to what a model expects, for `fromJSON`: resizing and normalisation. An image
 * processor that crops the centre after resizing is not followed in that: the whole image is resized to the size of the
 * crop, since a loss that does not see the border cannot train it.
 * @param config The parsed file (https://huggingface.co/docs/transformers/main_classes/image_processor).
 * @throws GlobalPercError when a size, mean or standard deviation is of an unknown form.
 */
export function transformsOfPreprocessor(config: Readonly<Record<string, unknown>>): TransformJSON[] {
  const { do_resize: resizes = true, do_normalize: normalizes = true, do_center_crop: crops = false } = config;
  const size = crops ? (config.crop_size ?? config.size) : config.size;
  const interpolation = config.resample === BICUBIC ? 'bicubic' : 'bilinear';
  return [
    ...(resizes && size !== undefined && size !== null ? [{ resize: { size: sizeOf(size), interpolation } }] : []),
    ...(normalizes && config.image_mean
      ? [{ normalize: { mean: numbers(config, 'image_mean'), std: numbers(config, 'image_std') } }]
      : []),
  ];
}

/** A side, `{ height, width }`, `{ shortest_edge }` or, as of models that pad to a square, `{ longest_edge }`. */
function sizeOf(size: unknown): number | [number, number] {
  const { height, width, shortest_edge: shortest, longest_edge: longest } = Object(size) as Record<string, unknown>;
  if (isSide(size)) return [size, size];
  if (isSide(height) && isSide(width)) return [height, width];
  if (isSide(longest) && !isSide(shortest)) return [longest, longest];
  if (isSide(shortest)) return shortest;
  throw new GlobalPercError(
    `preprocessor_config.json: size ${JSON.stringify(size)} is not understood; give transformNormalization yourself`,
  );
}

const isSide = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;

function numbers(config: Readonly<Record<string, unknown>>, key: string): number[] {
  const value = config[key];
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
  throw new GlobalPercError(
    `preprocessor_config.json: ${key} should be a list of numbers, got ${JSON.stringify(value)}; give transformNormalization yourself`,
  );
}
