/** Random changes of images that do the same to input and target. Images are [C, H, W] in float32. */
import { GlobalPercError } from '../graph/index.js';
import {
  type Check,
  type Checks,
  checkOptions,
  count,
  integer,
  listOf,
  number,
  required,
  withMethods,
} from '../options/index.js';
import type { Generator } from '../random/index.js';
import { type Size, sizeOfSides } from '../transforms/size.js';
import { type Box, DecodedImage } from './decoded-image.js';
import { type ImageTensor, requireTensor } from './tensor.js';

/** A change of images that belong together: one random choice for all of them. */
export interface PairedTransform {
  /** Returns new images and leaves the given ones as they are. */
  apply(images: readonly ImageTensor[], generator: Generator): ImageTensor[];
}

/** Checks a transform, which may be a user's own. */
export const isPairedTransform: Check<PairedTransform> = withMethods(
  'a transform of globalperc/data such as new RandomCrop(128)',
  'apply',
);

/** Several transforms, one after the other. A crop is cheapest in the first place. */
export class Compose implements PairedTransform {
  readonly transforms: readonly PairedTransform[];

  /** @throws GlobalPercError when one of them is no transform. */
  constructor(transforms: readonly PairedTransform[]) {
    this.transforms = listOf(isPairedTransform)(transforms, 'Compose: transforms');
  }

  apply(images: readonly ImageTensor[], generator: Generator): ImageTensor[] {
    return this.transforms.reduce((result, transform) => transform.apply(result, generator), [...images]);
  }
}

/**
 * A crop at a random place. Where the images differ by an integer scale, `size` is that of the smallest, and the others
 * are cropped to the same part of the picture.
 */
export class RandomCrop implements PairedTransform {
  readonly size: readonly [number, number];

  /** @throws GlobalPercError on a size that is not positive. */
  constructor(size: Size) {
    this.size = sizeOfSides(size, 'RandomCrop');
  }

  /** @throws GlobalPercError when an image is smaller than the crop, or the sizes have no integer scale. */
  apply(images: readonly ImageTensor[], generator: Generator): ImageTensor[] {
    return cropAll(images, this.size, 'RandomCrop', (room) => generator.integer(room + 1));
  }
}

/** The centre of the images; scales as in RandomCrop. */
export class CenterCrop implements PairedTransform {
  readonly size: readonly [number, number];

  /** @throws GlobalPercError on a size that is not positive. */
  constructor(size: Size) {
    this.size = sizeOfSides(size, 'CenterCrop');
  }

  /** @throws GlobalPercError when an image is smaller than the crop, or the sizes have no integer scale. */
  apply(images: readonly ImageTensor[]): ImageTensor[] {
    return cropAll(images, this.size, 'CenterCrop', centre);
  }
}

/** Left and right exchanged, with probability `p`. */
export class RandomHorizontalFlip implements PairedTransform {
  readonly p: number;

  /** @throws GlobalPercError when `p` is not in [0, 1]. */
  constructor(p = 0.5) {
    this.p = number({ least: 0, most: 1 })(p, 'RandomHorizontalFlip: p');
  }

  apply(images: readonly ImageTensor[], generator: Generator): ImageTensor[] {
    return generator.uniform() < this.p ? images.map(flip) : [...images];
  }
}

/** A rotation by 0, 90, 180 or 270 degrees; it exchanges height and width of images that are not square. */
export class RandomRotate90 implements PairedTransform {
  apply(images: readonly ImageTensor[], generator: Generator): ImageTensor[] {
    const turns = generator.integer(4);
    return images.map((image) => {
      let turned = image;
      for (let turn = 0; turn < turns; turn += 1) turned = rotate(turned);
      return turned;
    });
  }
}

/** Channels, height and width. @throws GlobalPercError when the tensor is not [C, H, W]. */
export function sidesOf(image: ImageTensor): readonly [number, number, number] {
  const { dims } = requireTensor(image, 'an image');
  if (dims.length !== 3)
    throw new GlobalPercError(`an image should have the shape [C, H, W], got [${dims}]`, { code: 'invalid-argument' });
  return dims as unknown as readonly [number, number, number];
}

/** Crops every image to the same part. @param place the distance from the edge, given the room on that axis. */
function cropAll(
  images: readonly ImageTensor[],
  [height, width]: readonly [number, number],
  name: string,
  place: (room: number) => number,
): ImageTensor[] {
  const least = images.reduce((a, b) => (sidesOf(b)[1] < sidesOf(a)[1] ? b : a));
  const [, fullHeight, fullWidth] = sidesOf(least);
  if (height > fullHeight || width > fullWidth) {
    throw new GlobalPercError(
      `${name} of ${height}×${width} does not fit an image of ${fullHeight}×${fullWidth}; take a smaller crop or larger images`,
      { code: 'invalid-argument' },
    );
  }
  const [top, left] = [place(fullHeight - height), place(fullWidth - width)];
  return images.map((image) => {
    const [, ...sides] = sidesOf(image);
    const scale = scaleBetween([fullHeight, fullWidth], sides);
    return crop(image, { top: top * scale, left: left * scale, height: height * scale, width: width * scale });
  });
}

/** Half the room; as in torchvision, a half pixel goes to the even number. */
const centre = (room: number): number => (room % 2 === 0 ? room / 2 : 2 * Math.round(room / 4));

/**
 * How many times larger the second [height, width] is, on both axes.
 * @throws GlobalPercError when that is no integer.
 */
export function scaleBetween(small: readonly [number, number], large: readonly [number, number]): number {
  const scale = large[0] / small[0];
  if (Number.isInteger(scale) && large[1] === scale * small[1]) return scale;
  throw new GlobalPercError(
    `images of ${small.join('×')} and ${large.join('×')} do not belong together: one size should be an integer times the other`,
    { code: 'invalid-argument' },
  );
}

const BOX: Checks<Box> = {
  top: required(integer(0)),
  left: required(integer(0)),
  height: required(count),
  width: required(count),
};

/** A part of an image. It should lie inside. */
export function crop(image: ImageTensor, given: Box): ImageTensor {
  sidesOf(image);
  const box = checkOptions(given, BOX, 'crop');
  if (image instanceof DecodedImage) return image.crop(box);
  const { top, left, height, width } = box;
  const [channels, fullHeight, fullWidth] = sidesOf(image);
  const data = new Float32Array(channels * height * width);
  for (let row = 0; row < channels * height; row += 1) {
    const start = (Math.floor(row / height) * fullHeight + top + (row % height)) * fullWidth + left;
    data.set(image.data.subarray(start, start + width), row * width);
  }
  return { dims: [channels, height, width], data };
}

function flip(image: ImageTensor): ImageTensor {
  const [, , width] = sidesOf(image);
  const data = image.data.slice();
  for (let start = 0; start < data.length; start += width) data.subarray(start, start + width).reverse();
  return { dims: image.dims, data };
}

/** Counterclockwise by 90 degrees, as torch.rot90 on the last two axes. */
function rotate(image: ImageTensor): ImageTensor {
  const [channels, height, width] = sidesOf(image);
  const source = image.data;
  const data = new Float32Array(source.length);
  for (let i = 0, channel = 0; channel < channels; channel += 1) {
    for (let x = width - 1; x >= 0; x -= 1) {
      for (let y = 0; y < height; y += 1, i += 1) data[i] = source[(channel * height + y) * width + x] as number;
    }
  }
  return { dims: [channels, width, height], data };
}
