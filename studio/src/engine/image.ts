/** Pictures between files, canvases and tensors. */
import type { ImageTensor } from 'globalperc/data';

/** An image `[3, H, W]` in [0, 1] and what it is called. */
export interface Picture {
  readonly name: string;
  readonly image: ImageTensor;
  /** Height and width of the file, where the picture is smaller. */
  readonly scaledFrom?: readonly [number, number];
}

/** Sides a picture may have: larger ones are scaled down, since a page should answer while one looks at it. */
export const MOST_SIDE = 384;

/** Height and width of an image. */
export const sidesOf = ({ dims }: ImageTensor): readonly [number, number] => [dims[1] as number, dims[2] as number];

/** What the browser cannot decode. */
export class UnreadablePicture extends Error {}

/**
 * A file's picture; transparent parts are white, as in Node's `readImage`.
 * @throws UnreadablePicture for what is no picture.
 */
export async function readPicture(file: Blob, name: string, most = MOST_SIDE): Promise<Picture> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new UnreadablePicture(`${name} is no picture that this browser can read; try PNG, JPEG or WebP`);
  });
  const { width, height } = bitmap;
  const scale = Math.min(1, most / Math.max(width, height));
  const sides = [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))] as const;
  const image = tensorOf(bitmap, sides);
  bitmap.close();
  return { name, image, ...(scale < 1 && { scaledFrom: [height, width] as const }) };
}

/** A picture of the page, by its address. @throws UnreadablePicture when it is not there. */
export async function fetchPicture(url: string, most = MOST_SIDE): Promise<Picture> {
  const name = url.split('/').at(-1) ?? url;
  const response = await fetch(url).catch(() => undefined);
  if (!response?.ok)
    throw new UnreadablePicture(`${name} could not be fetched: ${response?.status ?? 'no connection'}`);
  return readPicture(await response.blob(), name, most);
}

/** What a bitmap shows, scaled to height and width. */
function tensorOf(source: CanvasImageSource, [height, width]: readonly [number, number]): ImageTensor {
  const context = contextOf(height, width);
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, width, height);
  const { data: levels } = context.getImageData(0, 0, width, height);
  const area = height * width;
  const data = new Float32Array(3 * area);
  for (let i = 0; i < area; i += 1)
    for (let channel = 0; channel < 3; channel += 1)
      data[channel * area + i] = (levels[4 * i + channel] as number) / 255;
  return { dims: [3, height, width], data };
}

function contextOf(height: number, width: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('this browser gives no canvas');
  return context;
}

/** A picture in the size of another. */
export function resized({ dims, data }: ImageTensor, sides: readonly [number, number]): ImageTensor {
  const [height, width] = sidesOf({ dims, data });
  if (height === sides[0] && width === sides[1]) return { dims, data };
  const context = contextOf(height, width);
  context.putImageData(pixelsOf({ dims, data }), 0, 0);
  return tensorOf(context.canvas, sides);
}

/** The pixels of `[3, H, W]` or `[1, H, W]`; values outside [0, 1] are as those at its ends. */
export function pixelsOf(image: ImageTensor): ImageData {
  const [height, width] = sidesOf(image);
  const area = height * width;
  const next = image.dims[0] === 1 ? 0 : area;
  const pixels = new ImageData(width, height);
  for (let i = 0; i < area; i += 1) {
    for (let channel = 0; channel < 3; channel += 1)
      pixels.data[4 * i + channel] = 255 * (image.data[channel * next + i] as number);
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}

/** PNG of an image. */
export async function pngOf(image: ImageTensor): Promise<Blob> {
  const context = contextOf(...sidesOf(image));
  context.putImageData(pixelsOf(image), 0, 0);
  return context.canvas.convertToBlob({ type: 'image/png' });
}

/** `[3, H, W]` as a batch of one, as losses take it. */
export const batchOf = ({ dims, data }: ImageTensor): { dims: number[]; data: Float32Array } => ({
  dims: [1, ...dims],
  data,
});

/** The first image of a batch. */
export function firstOf({
  dims,
  data,
}: {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}): ImageTensor {
  const image = dims.slice(1);
  const size = image.reduce((product, side) => product * side, 1);
  return { dims: image, data: Float32Array.from({ length: size }, (_, i) => data[i] as number) };
}
