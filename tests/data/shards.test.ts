/** Images of tar and Parquet files, as Python writes them (fixtures/make_shards.py): image i has the red value 10·i. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ImageFolder, type ImageFolderOptions } from '../../src/data/folder.js';
import { DataLoader } from '../../src/data/loader.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { Generator } from '../../src/random/index.js';

const SHARDS = 'fixtures/data/shards';

let messages: string[];
let folder: string;
beforeEach(async () => {
  messages = [];
  folder = await mkdtemp(join(tmpdir(), 'globalperc-shards-'));
});
afterEach(() => rm(folder, { recursive: true }));

const open = (source: string | readonly string[], options: ImageFolderOptions = {}): Promise<ImageFolder> =>
  ImageFolder.open(source, { logger: (message) => messages.push(message), ...options });

async function numbersOf(dataset: ImageFolder): Promise<number[]> {
  const samples = await Promise.all(Array.from({ length: dataset.length }, (_, i) => dataset.get(i, new Generator(0))));
  return samples.map(({ target: { dims, data } }) => {
    expect(dims).toEqual([3, 4, 6]);
    return (255 * Number(data[0])) / 10;
  });
}

it.each([
  ['ustar.tar', [0, 1]],
  ['pax.tar', [2, 3]],
  ['gnu.tar', [4, 5]],
  ['none.parquet', [6, 7]],
  ['gzip.parquet', [6, 7]],
  ['brotli.parquet', [6, 7]],
  ...('zstdDecompressSync' in zlib ? [['zstd.parquet', [6, 7]] as const] : []),
] as const)('%s', async (name, numbers) => {
  const found = await numbersOf(await open(join(SHARDS, name)));
  expect(found.map(Math.round)).toEqual(numbers);
  expect(messages).toEqual([]);
});

it('rows without an image are named once, and the next good one is taken', async () => {
  const dataset = await open(`${SHARDS}/hub.parquet`);
  expect(dataset.length).toBe(5);
  for (let pass = 0; pass < 2; pass += 1) expect((await numbersOf(dataset)).map(Math.round)).toEqual([0, 1, 3, 3, 0]);
  expect(messages.sort()).toEqual([
    expect.stringContaining(
      `skipping the image '${SHARDS}/hub.parquet row 2', which cannot be read: the row holds no bytes of an image (`,
    ),
    expect.stringContaining(`skipping the image '${SHARDS}/hub.parquet row 4', which cannot be read: it is `),
  ]);
  expect(dataset.skipped.map(({ path }) => path).sort()).toEqual(
    [2, 4].map((row) => `${SHARDS}/hub.parquet row ${row}`),
  );
});

it('a column is named where there are several, or another is wanted', async () => {
  const masks = await open(`${SHARDS}/hub.parquet`, { column: 'mask' });
  expect((await numbersOf(masks)).map(Math.round)).toEqual([9, 9, 9, 9, 9]);
  await expect(open(`${SHARDS}/hub.parquet`, { column: 'masks' })).rejects.toThrow(
    `'${SHARDS}/hub.parquet': it has no column 'masks'; name one by \`column\`: image`,
  );
});

it('a folder of shards and images, listed by path, shuffles and goes on exactly', async () => {
  for (const name of ['ustar.tar', 'pax.tar', 'none.parquet']) await cp(join(SHARDS, name), join(folder, name));
  const progress: string[] = [];
  const dataset = await open(folder, { onProgress: ({ done, total }) => progress.push(`${done} of ${total}`) });
  expect((await numbersOf(dataset)).map(Math.round)).toEqual([6, 7, 2, 3, 0, 1]);
  expect(progress).toEqual(['1 of 3', '2 of 3', '3 of 3']);
  expect(dataset.folders).toEqual([folder]);
  const loader = new DataLoader(dataset, { batchSize: 4, shuffle: true });
  const batches = async (from: number, count: number): Promise<unknown[]> => {
    const stream = loader.stream({ from });
    const found = [];
    for (let i = 0; i < count; i += 1) found.push((await stream.next()).value);
    return found;
  };
  expect((await batches(0, 5)).slice(3)).toEqual(await batches(3, 2));
});

it.each([
  {
    name: 'a tar that is cut short',
    from: 'ustar.tar',
    edit: (bytes: Uint8Array) => bytes.subarray(0, 3600),
    left: [0],
    message:
      "skipping the end of the shard 'PATH', which cannot be read: it is cut short; the images before, 1, are used (1 skipped)",
  },
  {
    name: 'a tar with a damaged header',
    from: 'ustar.tar',
    edit: (bytes: Uint8Array) => bytes.fill(65, 3072, 3100),
    left: [0],
    message:
      "skipping the end of the shard 'PATH', which cannot be read: there is no tar header at byte 3072; the images before, 1, are used (1 skipped)",
  },
  {
    name: 'a Parquet file that is cut short',
    from: 'none.parquet',
    edit: (bytes: Uint8Array) => bytes.subarray(0, 900),
    left: [],
    message: "skipping the shard 'PATH', which cannot be read: it is no Parquet file, or its end is missing: ",
  },
  {
    name: 'a text called tar',
    from: 'none.parquet',
    to: 'x.tar',
    edit: () => Buffer.from('x'.repeat(600)),
    left: [],
    message:
      "skipping the end of the shard 'PATH', which cannot be read: there is no tar header at byte 0; the images before, 0, are used (1 skipped)",
  },
])('$name is named, and the run goes on', async ({ from, to = from, edit, left, message }) => {
  const path = join(folder, to);
  await writeFile(path, edit(await readFile(join(SHARDS, from))));
  const dataset = await open([path, `${SHARDS}/gnu.tar`]);
  expect((await numbersOf(dataset)).map(Math.round)).toEqual([...left, 4, 5]);
  expect(messages).toEqual([expect.stringContaining(message.replace('PATH', path))]);
  if (left.length > 0) return;
  await expect(open(path)).rejects.toThrow(GlobalPercError);
  await expect(open(path)).rejects.toThrow(/^none of the images can be read, 1 were skipped; the first is /);
});
