/** Folders of images: links, repetition, order of the steps, and what is kept in memory. */
import { readFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as images from '../../src/data/image.js';
import {
  DataLoader,
  Denoise,
  ImageFolder,
  PairedImageFolder,
  RandomCrop,
  type Sample,
  SuperResolution,
} from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { Generator } from '../../src/random/index.js';
import { PHOTOGRAPH, put, putPng, temporaryFolder } from './images.js';

const root = temporaryFolder();
let folder = root;
beforeEach(({ task }) => {
  folder = join(root, task.id);
});

const generator = () => new Generator(0);

/** The number that `putPng` was given. */
const numberOf = ({ target }: Sample): number => Math.round(Number(target.data[0]) * 255);

const allOf = (dataset: ImageFolder): Promise<Sample[]> =>
  Promise.all(Array.from({ length: dataset.length }, (_, i) => dataset.get(i, generator())));

/** A photograph whose second half is missing. */
const truncated = () => {
  const bytes = readFileSync(PHOTOGRAPH);
  return bytes.subarray(0, bytes.length / 2);
};

describe('files', () => {
  it('include those that links name', async () => {
    await putPng(join(folder, 'b.png'), 2);
    await putPng(join(folder, 'a', 'z.PNG'), 1);
    await putPng(join(folder, 'c', 'd', 'e.png'), 4);
    await symlink(join(folder, 'b.png'), join(folder, 'c.png'));
    await put(join(folder, 'notes.txt'), 'no image');
    const dataset = await ImageFolder.open(folder);
    expect(dataset).toHaveLength(4);
    expect((await allOf(dataset)).map(numberOf)).toEqual([1, 2, 2, 4]);
  });

  it('of a list come as often as they are listed', async () => {
    const [a, b] = [await putPng(join(folder, 'a.png'), 1), await putPng(join(folder, 'b.png'), 2)];
    expect((await allOf(await ImageFolder.open([b, a, b]))).map(numberOf)).toEqual([2, 1, 2]);
  });
});

describe('a sample', () => {
  it('is cropped, then degraded', async () => {
    const options = { transform: new RandomCrop(16), degradation: new SuperResolution({ scale: 8 }) };
    const dataset = await ImageFolder.open([PHOTOGRAPH], options);
    const sample = await dataset.get(0, new Generator(5));
    expect(sample.target.dims).toEqual([3, 16, 16]);
    expect(sample.input).toEqual(options.degradation.degrade(sample.target as never));
    expect(await dataset.get(0, new Generator(5))).toEqual(sample);
    expect(await dataset.get(0, new Generator(6))).not.toEqual(sample);
  });

  it('names the file when transform or degradation does not fit', async () => {
    await putPng(join(folder, 'small.png'), 1, 6, 6);
    const cropped = await ImageFolder.open(folder, { transform: new RandomCrop(7) });
    await expect(cropped.get(0, generator())).rejects.toThrow(/small\.png: RandomCrop of 7×7 does not fit/);
    const degraded = await ImageFolder.open(folder, { degradation: new SuperResolution() });
    await expect(degraded.get(0, generator())).rejects.toThrow(/small\.png: SuperResolution needs images whose sides/);
    await expect(degraded.get(1, generator())).rejects.toThrow(GlobalPercError);
  });

  it('has the same random choices when it fell on a damaged image', async () => {
    const bad = await put(join(folder, 'bad.jpg'), truncated());
    const options = { transform: new RandomCrop(8), degradation: new Denoise(), logger: () => undefined };
    const [mixed, good] = [
      await ImageFolder.open([bad, PHOTOGRAPH], options),
      await ImageFolder.open([PHOTOGRAPH], options),
    ];
    expect(await mixed.get(0, new Generator(3))).toEqual(await good.get(0, new Generator(3)));
  });
});

describe('decoded images', () => {
  it('are kept, those used last while there is room', async () => {
    const bytes = new Uint8Array(3 * 5000 * 6000);
    const decode = vi
      .spyOn(images, 'decode')
      .mockImplementation(async () => ({ samples: bytes, height: 5000, width: 6000 }));
    const paths = await Promise.all(['a', 'b', 'c', 'd'].map((name, i) => putPng(join(folder, `${name}.png`), i)));
    const dataset = await ImageFolder.open(paths, { transform: new RandomCrop(1) });
    // Two of 90 MB fit into 256 MB.
    for (const index of [0, 0, 1, 0, 2, 1, 0]) await dataset.get(index, generator());
    const files = paths.map((path) => readFileSync(path));
    const read = decode.mock.calls.map(([bytes]) => files.findIndex((file) => file.equals(bytes as Uint8Array)));
    decode.mockRestore();
    expect(read).toEqual([0, 1, 2, 1, 0]);
  });

  it('are decoded once when many samples want them at the same time', async () => {
    const decode = vi.spyOn(images, 'decode');
    const dataset = await ImageFolder.open(Array(8).fill(PHOTOGRAPH), { transform: new RandomCrop(8) });
    for await (const { input } of new DataLoader(dataset, { batchSize: 4 })) expect(input.dims).toEqual([4, 3, 8, 8]);
    const calls = decode.mock.calls.length;
    decode.mockRestore();
    expect(calls).toBe(1);
  });
});

describe('a pair', () => {
  const sides = () => [join(folder, 'input'), join(folder, 'target')] as const;
  const putPair = async (name: string, number: number, size: number, scale: number) => {
    const [input, target] = sides();
    await putPng(join(input, name), number, size, size);
    await putPng(join(target, name), number, scale * size, scale * size);
  };

  it.each([1, 2])('is cropped to the same part of input and target, %i times as large', async (scale) => {
    await putPair('a.png', 1, 8, scale);
    await putPair('b/c.png', 2, 10, scale);
    const dataset = await PairedImageFolder.open(...sides(), { transform: new RandomCrop(4) });
    expect([dataset.length, dataset.scale]).toEqual([2, scale]);
    for (const [index, number] of [1, 2].entries()) {
      const { input, target } = await dataset.get(index, new Generator(index));
      expect([input.dims, target.dims]).toEqual([
        [3, 4, 4],
        [3, 4 * scale, 4 * scale],
      ]);
      expect([input, target].map(({ data }) => Math.round(255 * Number(data[0])))).toEqual([number, number]);
      // Green and blue tell row and column: the target begins where the input does.
      for (const channel of [1, 2]) {
        const [from, to] = [input.data[16 * channel], target.data[16 * scale * scale * channel]];
        expect(Number(to)).toBeCloseTo(scale * Number(from), 6);
      }
    }
  });
});
