/** Photographs and their latents: cut and encoded once, and kept on disk. */
import { mkdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Dataset } from 'globalperc';
import {
  crop,
  formatSafetensors,
  type ImageTensor,
  parseSafetensors,
  readImage,
  writeAtomically,
} from 'globalperc/data';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';

/** Makes latents `[channels, H/factor, W/factor]` of a picture `[3, H, W]` in [0, 1]. */
export interface Encoder {
  /** Names its latents on disk. */
  readonly name: string;
  readonly channels: number;
  readonly factor: number;
  encode(picture: ImageTensor): Promise<ImageTensor> | ImageTensor;
}

/**
 * TAESD's encoder, or the VAE's with `quant_conv` behind it, as diffusers has them, exported as ONNX: `[1, 3, H, W]` in [−1, 1] → latents, or
 * means and logarithms of variances, which are scaled by 0.18215.
 */
export async function onnxEncoder(file: string): Promise<Encoder> {
  const session = await InferenceSession.create(file);
  const [input, output] = [session.inputNames[0] as string, session.outputNames[0] as string];
  return {
    name: basename(file, '.onnx'),
    channels: 4,
    factor: 8,
    async encode({ dims, data }) {
      const pixels = data.map((value) => 2 * value - 1);
      const results = await session.run({ [input]: new OrtTensor('float32', pixels, [1, ...dims]) });
      const { dims: found, data: latents } = results[output] as OrtTensor;
      const [, channels = 0, height = 0, width = 0] = found;
      const scale = channels === 8 ? 0.18215 : 1;
      const means = Float32Array.from(latents.slice(0, 4 * height * width) as Float32Array, (value) => scale * value);
      return { dims: [4, height, width], data: means };
    },
  };
}

const SIDE = 4;
const INPUTS = 3 * SIDE * SIDE;

/**
 * The best linear autoencoder of four channels for squares of 4×4 pixels, their principal components, each of variance 1: what stands
 * for TAESD where no weights can be had.
 */
export function linearEncoder(pictures: readonly ImageTensor[]): Encoder {
  const samples = pictures.flatMap((picture) => squaresOf(picture));
  const mean = Float64Array.from({ length: INPUTS }, (_, i) => average(samples, (square) => square[i] as number));
  const covariance = Array.from({ length: INPUTS }, (_, i) =>
    Float64Array.from({ length: INPUTS }, (_, j) => average(samples, (x) => at(x, mean, i) * at(x, mean, j))),
  );
  const components = principal(covariance, 4);
  return {
    name: 'linear',
    channels: 4,
    factor: SIDE,
    encode(picture) {
      const squares = squaresOf(picture);
      const [, height = 0, width = 0] = picture.dims;
      const data = new Float32Array(4 * squares.length);
      for (const [c, component] of components.entries())
        for (const [i, square] of squares.entries())
          data[c * squares.length + i] = component.reduce((sum, weight, j) => sum + weight * at(square, mean, j), 0);
      return { dims: [4, height / SIDE, width / SIDE], data };
    },
  };
}

const at = (square: Float64Array, mean: Float64Array, i: number): number => (square[i] as number) - (mean[i] as number);

const average = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0) / items.length;

/** The squares of a picture, row by row. */
function squaresOf({ dims, data }: ImageTensor): Float64Array[] {
  const [, height = 0, width = 0] = dims;
  const squares: Float64Array[] = [];
  for (let top = 0; top < height; top += SIDE) {
    for (let left = 0; left < width; left += SIDE) {
      const pixel = (i: number): number => {
        const [channel, row, column] = [Math.floor(i / (SIDE * SIDE)), Math.floor(i / SIDE) % SIDE, i % SIDE];
        return data[(channel * height + top + row) * width + left + column] as number;
      };
      squares.push(Float64Array.from({ length: INPUTS }, (_, i) => pixel(i)));
    }
  }
  return squares;
}

/** The first eigenvectors by power iteration, divided by the root of their eigenvalue. */
function principal(matrix: Float64Array[], count: number): Float64Array[] {
  return Array.from({ length: count }, (_, k) => {
    let vector = Float64Array.from({ length: INPUTS }, (_, i) => Math.sin((k + 1) * (i + 1)));
    let value = 0;
    for (let i = 0; i < 200; i += 1) {
      const next = Float64Array.from(matrix, (row) => row.reduce((sum, x, j) => sum + x * (vector[j] as number), 0));
      value = Math.hypot(...next);
      vector = next.map((x) => x / value);
    }
    for (const [i, row] of matrix.entries())
      for (const j of row.keys()) row[j] = (row[j] as number) - value * (vector[i] as number) * (vector[j] as number);
    return vector.map((x) => x / Math.sqrt(value));
  });
}

/** So many squares of some photographs, `size` pixels wide, spread evenly over them; the same for every run. */
export async function squares(
  files: readonly string[],
  size: number,
  count: number,
): Promise<ReadonlyMap<string, ImageTensor>> {
  const found = new Map<string, ImageTensor>();
  for (const file of files) {
    const { dims, data } = await readImage(file);
    const picture = { dims: dims.slice(1), data };
    const [, height = 0, width = 0] = picture.dims;
    const places: [top: number, left: number][] = [];
    for (let top = 0; top + size <= height; top += size / 4)
      for (let left = 0; left + size <= width; left += size / 4) places.push([top, left]);
    const wanted = Math.ceil(count / files.length);
    for (let i = 0; i < Math.min(wanted, places.length); i += 1) {
      const [top, left] = places[Math.floor((i * places.length) / wanted)] as [number, number];
      const name = `${basename(file)}@${size},${top},${left}`;
      found.set(name, crop(picture, { top, left, height: size, width: size }));
    }
  }
  return found;
}

/** Pairs of latents and photographs. What was encoded before is read from `folder`; the rest is encoded, and kept there. */
export async function latentPairs(
  pictures: ReadonlyMap<string, ImageTensor>,
  encoder: Encoder,
  folder: string,
): Promise<Dataset> {
  const file = `${folder}/${encoder.name}.safetensors`;
  const kept = await readFile(file).then(
    (bytes) => parseSafetensors(bytes, file).tensors as ReadonlyMap<string, ImageTensor>,
    () => new Map<string, ImageTensor>(),
  );
  const latents = new Map(kept);
  for (const [name, picture] of pictures) if (!kept.has(name)) latents.set(name, await encoder.encode(picture));
  if (latents.size > kept.size) {
    await mkdir(folder, { recursive: true });
    const state = Array.from(latents, ([name, { dims, data }]) => [name, { dtype: 'float32', dims, data }] as const);
    await writeAtomically(file, formatSafetensors(Object.fromEntries(state)));
  }
  const names = [...pictures.keys()];
  return {
    length: names.length,
    async get(index) {
      const name = names[index] as string;
      return { input: latents.get(name) as ImageTensor, target: pictures.get(name) as ImageTensor };
    },
  };
}
