/** Configurations of image processors as the hub has them. */
import { describe, expect, it } from 'vitest';
import { fromJSON, transformsOfPreprocessor } from '../../src/transforms/index.js';

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
    ['the shorter edge', { ...norm, size: { shortest_edge: 518 } }, [resize(518), normalize]],
    ['SAM', { ...norm, size: { longest_edge: 1024 }, do_pad: true }, [resize([1024, 1024]), normalize]],
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
  });
});
