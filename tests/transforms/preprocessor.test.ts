/** Configurations of image processors as the hub has them. */
import { describe, expect, it } from 'vitest';
import { fromJSON } from '../../src/transforms/index.js';
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
    ['nothing', {}, []],
  ])('%s', (_name, config, expected) => {
    expect(transformsOfPreprocessor(config)).toEqual(expected);
    expect(() => fromJSON(expected)).not.toThrow();
  });

  it('names what it does not understand', () => {
    expect(() => transformsOfPreprocessor({ size: { area: 7 } })).toThrow(/size \{"area":7\} is not understood/);
    expect(() => transformsOfPreprocessor({ image_mean: [0.5], image_std: 'x' })).toThrow(/image_std should be a list/);
    expect(() => transformsOfPreprocessor({ do_normalize: true })).toThrow(/image_mean should be a list/);
    expect(() => transformsOfPreprocessor({ rescale_factor: 0 })).toThrow(/rescale_factor should be a positive number/);
    expect(() => transformsOfPreprocessor({ do_grayscale: true })).toThrow(/do_grayscale is not supported/);
    expect(() => transformsOfPreprocessor({ ...norm, do_rescale: false })).toThrow(
      /does not say whether images are in \[0, 1\] or \[0, 255\]; give transformNormalization yourself; on the command line/,
    );
  });
});
