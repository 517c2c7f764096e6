/** Configurations of image processors as the hub has them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createGraph } from '../../src/ops/index.js';
import { Draws, fromJSON } from '../../src/transforms/index.js';
import { transformsOfPreprocessor } from '../../src/transforms/preprocessor.js';

const norm = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const normalize = { normalize: { mean: norm.image_mean, std: norm.image_std } };
const resize = (size: unknown, interpolation = 'bilinear') => ({ resize: { size, interpolation } });

describe('transformsOfPreprocessor', () => {
  it.each<[string, Record<string, unknown>, unknown[]]>([
    [
      'DINOv2: the whole image in the size of the crop',
      {
        ...norm,
        do_resize: true,
        size: { shortest_edge: 256 },
        do_center_crop: true,
        crop_size: { height: 224, width: 224 },
        resample: 3,
      },
      [resize([224, 224], 'bicubic'), normalize],
    ],
    ['ViT', { ...norm, size: { height: 224, width: 192 }, resample: 2 }, [resize([224, 192]), normalize]],
    ['a factor of 1/255 that is rounded', { do_normalize: false, rescale_factor: 0.00392157 }, []],
    ['a side alone', { ...norm, size: 384 }, [resize([384, 384]), normalize]],
    ['both sides', { ...norm, size: [224, 192] }, [resize([224, 192]), normalize]],
    ['the shorter edge', { ...norm, size: { shortest_edge: 518 } }, [resize(518), normalize]],
    ['SAM', { ...norm, size: { longest_edge: 1024 }, do_pad: true }, [resize([1024, 1024]), normalize]],
    [
      'DETR: the shorter edge, and the most of the longer one',
      { ...norm, size: { shortest_edge: 800, longest_edge: 1333 } },
      [{ resize: { size: 800, maxSize: 1333, interpolation: 'bilinear' } }, normalize],
    ],
    [
      'DETR as old files have it',
      { ...norm, size: 800, max_size: 1333 },
      [{ resize: { size: 800, maxSize: 1333, interpolation: 'bilinear' } }, normalize],
    ],
    [
      'ConvNeXt, which crops a square',
      { ...norm, size: { shortest_edge: 224 }, crop_pct: 0.875, resample: 3 },
      [resize([224, 224], 'bicubic'), normalize],
    ],
    [
      'ConvNeXt, which stretches to a square',
      { ...norm, size: { shortest_edge: 384 }, crop_pct: null, resample: 3 },
      [resize([384, 384], 'bicubic'), normalize],
    ],
    ['Lanczos', { ...norm, size: 512, resample: 1 }, [resize([512, 512], 'bicubic'), normalize]],
    [
      'MobileViT: BGR, not normalised',
      { do_center_crop: true, crop_size: 256, size: 288, do_flip_channel_order: true },
      [resize([256, 256]), { permuteChannels: [2, 1, 0] }],
    ],
    [
      'MobileViT as transformers 5 writes it, with a mean that is not used',
      { ...norm, size: { shortest_edge: 256 }, do_flip_channel_order: true },
      [resize(256), { permuteChannels: [2, 1, 0] }],
    ],
    [
      'EfficientNet: normalised twice',
      { ...norm, image_std: [0.25, 0.5, 1], include_top: true, rescale_offset: false, size: 64 },
      [resize([64, 64]), { normalize: { mean: norm.image_mean, std: [0.0625, 0.25, 1] } }],
    ],
    [
      'pixels in [-1, 1]',
      { do_normalize: false, rescale_factor: 2 / 255, rescale_offset: true },
      [{ normalize: { mean: [0.5], std: [0.5] } }],
    ],
    [
      'pixels in [-1, 1], normalised',
      { image_mean: [0.5], image_std: [2], rescale_factor: 2 / 255, offset: true },
      [{ normalize: { mean: [0.75], std: [1] } }],
    ],
    [
      'statistics of pixels up to 255',
      { image_mean: [127.5], image_std: [51], do_rescale: false },
      [{ normalize: { mean: [0.5], std: [0.2] } }],
    ],
    ['pixels up to 255', { do_normalize: false, do_rescale: false }, [{ normalize: { mean: [0], std: [1 / 255] } }]],
    ['nothing but resizing', { ...norm, do_normalize: false, size: 64 }, [resize([64, 64])]],
    ['nothing but normalisation', { ...norm, do_resize: false, size: 64 }, [normalize]],
    [
      'Depth Anything',
      {
        ...norm,
        size: { height: 518, width: 518 },
        keep_aspect_ratio: true,
        ensure_multiple_of: 14,
        resample: 3,
        do_pad: false,
        size_divisor: null,
        image_processor_type: 'DPTImageProcessor',
      },
      [
        { resize: { size: [518, 518], keepAspectRatio: true, ensureMultipleOf: 14, interpolation: 'bicubic' } },
        normalize,
      ],
    ],
    [
      'DPT with a divisor that it would pad to',
      { size: 384, size_divisor: 32, image_processor_type: 'DPTImageProcessor' },
      [resize([384, 384])],
    ],
    [
      'GLPN',
      { do_resize: true, size_divisor: 32, resample: 2 },
      [{ resize: { size: 'input', ensureMultipleOf: 32, rounding: 'down', interpolation: 'bilinear' } }],
    ],
    ['GLPN that does not resize', { do_resize: false, size_divisor: 32 }, []],
    ['one side that is the shorter one', { size: 256, default_to_square: false }, [resize(256)]],
    [
      'steps that change no pixel',
      { ...norm, size: 64, do_convert_rgb: true, do_reduce_labels: true, do_thumbnail: false, processor_class: 'X' },
      [resize([64, 64]), normalize],
    ],
    ['nothing', {}, []],
  ])('%s', (_name, config, expected) => {
    expect(transformsOfPreprocessor(config)).toEqual(expected);
    expect(() => fromJSON(expected)).not.toThrow();
  });

  it.each([
    ['do_grayscale', { do_grayscale: true }],
    ['do_thumbnail', { ...norm, do_thumbnail: true, size: 64 }],
    ['do_image_splitting', { do_image_splitting: true }],
    ['do_a_step_of_tomorrow', { do_a_step_of_tomorrow: true }],
    ['min_pixels', { min_pixels: 3136, max_pixels: 12845056 }],
    ['crop_to_patches', { crop_to_patches: true }],
    ['pad_size', { do_pad: true, pad_size: 8 }],
    [
      'size_divisor of MaskFormerImageProcessor',
      { size_divisor: 32, image_processor_type: 'MaskFormerImageProcessor' },
    ],
    [
      'size_divisor of DPTImageProcessor',
      { size_divisor: 14, do_pad: true, image_processor_type: 'DPTImageProcessor' },
    ],
    ['size_divisor', { size: { shortest_edge: 384 }, size_divisor: 32 }],
    [
      'size_divisor of Swin2SRImageProcessor',
      { size_divisor: 8, do_pad: true, image_processor_type: 'Swin2SRImageProcessor' },
    ],
    ['do_pad beside keep_aspect_ratio', { size: 64, keep_aspect_ratio: true, do_pad: true }],
  ])('refuses %s', (name, config) => {
    expect(() => transformsOfPreprocessor(config)).toThrow(`preprocessor_config.json: ${name}`);
    expect(() => transformsOfPreprocessor(config)).toThrow(
      / is not supported(, only that of GLPNImageProcessor)?; give/,
    );
  });

  it('names what it does not understand', () => {
    expect(() => transformsOfPreprocessor({ size: { area: 7 } })).toThrow(/size \{"area":7\} is not understood/);
    expect(() => transformsOfPreprocessor({ image_mean: [0.5], image_std: 'x' })).toThrow(/image_std should be a list/);
    expect(() => transformsOfPreprocessor({ do_normalize: true })).toThrow(/image_mean should be a list/);
    expect(() => transformsOfPreprocessor({ rescale_factor: 0 })).toThrow(/rescale_factor should be a positive number/);
    expect(() => transformsOfPreprocessor({ size: 8, ensure_multiple_of: 0.5 })).toThrow(
      /should be a positive integer/,
    );
    expect(() => transformsOfPreprocessor({ ...norm, do_rescale: false })).toThrow(
      /does not say whether images are in \[0, 1\] or \[0, 255\]; give transformNormalization yourself; on the command line/,
    );
  });
});

describe('sizes are those that transformers gives', () => {
  interface Case {
    readonly config: Record<string, unknown>;
    readonly sizes: readonly (readonly [number, number, number, number])[];
  }
  const url = new URL('../../fixtures/data/processors.json', import.meta.url);
  const cases = JSON.parse(readFileSync(url, 'utf8')) as Case[];

  it.each(cases)('$config', ({ config, sizes }) => {
    const transform = fromJSON(transformsOfPreprocessor(config));
    const found = sizes.map(([height, width]) => {
      const image = createGraph().input('image', 'float32', [1, 3, height, width]);
      return [height, width, ...transform.apply(image, new Draws()).shape.slice(2)];
    });
    expect(found).toEqual(sizes);
  });
});
