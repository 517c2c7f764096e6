/** The transform that a model of the Hugging Face hub was trained with, from its `preprocessor_config.json`. */
import { GlobalPercError } from '../graph/index.js';

/** Numbers that PIL gives to ways of resampling: Lanczos, which transformers itself replaces by the other, and bicubic. */
const BICUBIC: readonly unknown[] = [1, 3];

/** A transform as `fromJSON` takes it. */
export type TransformJSON = Readonly<Record<string, unknown>>;

type Config = Readonly<Record<string, unknown>>;

/** Steps that are followed, or change no pixel of an RGB image that is alone. */
const KNOWN_STEPS: readonly string[] = [
  ...['do_resize', 'do_rescale', 'do_normalize', 'do_center_crop', 'do_flip_channel_order', 'do_pad', 'do_convert_rgb'],
  ...['do_reduce_labels', 'do_convert_annotations', 'do_sample_frames'],
];

/** Keys beside steps whose processors cut, pad or scale an image in ways of their own. */
const UNKNOWN_KEYS: readonly string[] = [
  ...['crop_to_patches', 'image_grid_pinpoints', 'max_image_tiles', 'max_num_patches', 'max_slice_nums'],
  ...['min_pixels', 'max_pixels', 'max_image_size', 'max_soft_tokens', 'size_divisibility'],
];

/**
 * The transforms that bring images in [0, 1] to what a model expects, for `fromJSON`: resizing, rescaling and
 * normalisation in one, and the order of the channels. An image processor that crops the centre after resizing is not
 * followed in that: the whole image is resized to the size of the crop, since a loss that does not see the border cannot
 * train it. For the same reason padding to a square is not followed, and ways of resampling that leave pixels out are
 * replaced by bilinear.
 *
 * Understood are `do_resize`, `size`, `max_size`, `crop_pct`, `default_to_square`, `do_center_crop`, `crop_size`, `resample`,
 * `keep_aspect_ratio`, `ensure_multiple_of`, `size_divisor` of GLPNImageProcessor, `do_rescale`, `rescale_factor`,
 * `rescale_offset`, `offset`, `do_normalize`, `image_mean`, `image_std`, `include_top` and `do_flip_channel_order`.
 * @param config The parsed file (https://huggingface.co/docs/transformers/main_classes/image_processor).
 * @throws GlobalPercError when a size, mean or standard deviation is of an unknown form, the range of the values is not
 * clear, or a key asks for a further step, such as `do_thumbnail`.
 */
export function transformsOfPreprocessor(config: Config): TransformJSON[] {
  const flips = config.do_flip_channel_order === true;
  requireKnownSteps(config);
  return [...resizing(config), ...normalization(config), ...(flips ? [{ permuteChannels: [2, 1, 0] }] : [])];
}

function requireKnownSteps(config: Config): void {
  const other = Object.entries(config).find(([key, value]) => {
    const isStep = key.startsWith('do_') && !KNOWN_STEPS.includes(key);
    const isOther = UNKNOWN_KEYS.includes(key) || (key === 'pad_size' && typeof value === 'number');
    return (isStep && value === true) || (isOther && Boolean(value));
  });
  if (other) throw refusal(`${other[0]} is not supported`);
}

function resizing(config: Config): TransformJSON[] {
  const { do_resize: resizes = true, do_center_crop: crops = false } = config;
  const interpolation = BICUBIC.includes(config.resample) ? 'bicubic' : 'bilinear';
  const divisor = dividing(config);
  if (divisor !== undefined) {
    return [{ resize: { size: 'input', ensureMultipleOf: divisor, rounding: 'down', interpolation } }];
  }
  const size = crops ? (config.crop_size ?? config.size) : config.size;
  if (!resizes || size === undefined || size === null) return [];
  return [{ resize: { ...sizeOf(size, config), ...multipleOf(config), interpolation } }];
}

/** The divisor of GLPN, whose images keep their size, rounded down; DPT pads to it, others divide in ways of their own. */
function dividing(config: Config): number | undefined {
  const { size_divisor: divisor, do_pad: pads = false, do_resize: resizes = true } = config;
  if (!isSide(divisor) || (!resizes && !pads)) return undefined;
  const type = String(config.image_processor_type ?? config.feature_extractor_type ?? (config.size ? '' : 'GLPN'));
  if (/^GLPN/.test(type)) return divisor;
  if (/^(DPT|PromptDepthAnything)/.test(type) && !pads) return undefined;
  throw refusal(`size_divisor ${type && `of ${type} `}is not supported, only that of GLPNImageProcessor`);
}

/** As DPT and Depth Anything scale. */
function multipleOf(config: Config): object {
  const { keep_aspect_ratio: keeps, ensure_multiple_of: multiple = 1, do_pad: pads } = config;
  const isScaled = keeps === true || (multiple !== null && multiple !== 1);
  if (!isScaled) return {};
  if (multiple !== null && !isSide(multiple)) {
    throw refusal(`ensure_multiple_of should be a positive integer, got ${JSON.stringify(multiple)}`);
  }
  if (pads === true) throw refusal('do_pad beside keep_aspect_ratio or ensure_multiple_of is not supported');
  return { ...(keeps === true && { keepAspectRatio: true }), ensureMultipleOf: multiple ?? 1 };
}

interface Target {
  readonly size: number | readonly [number, number];
  readonly maxSize?: number;
}

/** A side, `[height, width]`, `{ height, width }`, `{ shortest_edge }` or, as of models that pad to a square, `{ longest_edge }`. */
function sizeOf(given: unknown, config: Config): Target {
  const { max_size: oldMost, crop_pct: crop, default_to_square: square = true } = config;
  const sides = Array.isArray(given) ? { height: given[0], width: given[1] } : Object(given);
  const { height, width, shortest_edge: shortest, longest_edge: longest } = sides as Record<string, unknown>;
  if (isSide(given) && isSide(oldMost)) return { size: given, maxSize: oldMost };
  if (isSide(given)) return { size: square === false && config.do_center_crop !== true ? given : [given, given] };
  if (isSide(height) && isSide(width)) return { size: [height, width] };
  if (isSide(longest) && !isSide(shortest)) return { size: [longest, longest] };
  // ConvNeXt crops a square, or stretches to one.
  if (isSide(shortest) && crop !== undefined) return { size: [shortest, shortest] };
  if (isSide(shortest)) return { size: shortest, ...(isSide(longest) && { maxSize: longest }) };
  throw refusal(`size ${JSON.stringify(given)} is not understood`);
}

const isSide = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;

/** Pixels are rescaled, shifted and normalised: (x·scale − shift − mean)/std. */
function normalization(config: Config): TransformJSON[] {
  // MobileViT's files have a mean that its processor does not use.
  const { do_normalize: normalizes = Boolean(config.image_mean) && !config.do_flip_channel_order } = config;
  const mean = normalizes ? numbers(config, 'image_mean') : [0];
  const std = normalizes ? numbers(config, 'image_std') : [1];
  const scale = scaleOf(config, std);
  const shift = config.rescale_offset === true || config.offset === true ? 1 : 0;
  if (!normalizes && scale === 1 && shift === 0) return [];
  // EfficientNet's processor divides once more for its classifier.
  const divisor = config.include_top === true && normalizes ? std.map((value) => value * value) : std;
  return [
    { normalize: { mean: mean.map((value) => (value + shift) / scale), std: divisor.map((value) => value / scale) } },
  ];
}

/** What the processor makes of 1, the whitest that a loss's images have and 255 in its own. */
function scaleOf({ do_rescale: rescales = true, rescale_factor: factor = 1 / 255 }: Config, std: number[]): number {
  if (!rescales) {
    // Statistics of pixels up to 255 are far larger than 1.
    if (std.every((value) => value === 1) || std.some((value) => value > 1)) return 255;
    throw refusal('do_rescale is false, so it does not say whether images are in [0, 1] or [0, 255]');
  }
  if (typeof factor !== 'number' || !(factor > 0)) {
    throw refusal(`rescale_factor should be a positive number, got ${JSON.stringify(factor)}`);
  }
  const scale = 255 * factor;
  return Math.abs(scale - 1) < 1e-6 ? 1 : scale;
}

function numbers(config: Config, key: string): number[] {
  const value = config[key];
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
  throw refusal(`${key} should be a list of numbers, got ${JSON.stringify(value)}`);
}

const refusal = (problem: string): GlobalPercError =>
  new GlobalPercError(
    `preprocessor_config.json: ${problem}; give transformNormalization yourself; on the command line, in the file of --config`,
    { code: 'invalid-file' },
  );
