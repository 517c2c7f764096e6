/** Files that are no image that can be decoded: each is named for what it is, and told from a damaged one. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { ImageFolder, readImage } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { PHOTOGRAPH, put, putPng, temporaryFolder } from './images.js';

const folder = temporaryFolder();
const latin1 = (text: string): Uint8Array => Buffer.from(text.padEnd(200, '\0'), 'latin1');
const HEIC = readFileSync(fileURLToPath(new URL('../../fixtures/data/cases/img.heic', import.meta.url)));

/** A little-endian TIFF directory of one entry. */
function directory(tag: number, value: number): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('II*\0', 'latin1'));
  view.setUint32(4, 8, true);
  view.setUint16(8, 1, true);
  view.setUint16(10, tag, true);
  view.setUint16(12, 4, true);
  view.setUint32(14, 1, true);
  view.setUint32(18, value, true);
  return bytes;
}

/** A TIFF that can be decoded, with one tag of its first directory turned into another. */
async function retagged(from: number, to: number, value: number): Promise<Uint8Array> {
  const image = sharp({ create: { width: 4, height: 4, channels: 3, background: '#102030' } });
  const bytes = Uint8Array.from(await image.tiff({ compression: 'none' }).toBuffer());
  const view = new DataView(bytes.buffer);
  const begin = view.getUint32(4, true);
  for (let i = 0; i < view.getUint16(begin, true); i += 1) {
    const at = begin + 2 + 12 * i;
    if (view.getUint16(at, true) !== from) continue;
    view.setUint16(at, to, true);
    view.setUint16(at + 2, 4, true);
    view.setUint32(at + 8, value, true);
    return bytes;
  }
  throw new Error(`the TIFF has no tag ${from}`);
}

const NO_DECODER = ', for which there is no decoder here; read are PNG, JPEG, WebP, TIFF, AVIF, GIF and .npy';

describe('a file is named for what it is', () => {
  it.each<[string, Uint8Array, string]>([
    ['x.heic', HEIC, `it is a HEIC image${NO_DECODER}`],
    ['HEIC.jpg', HEIC, `it is a HEIC image${NO_DECODER}`],
    ['x.jxl', latin1('\0\0\0\x0cJXL \r\n\x87\n'), `it is a JPEG XL image${NO_DECODER}`],
    ['stream.jxl', latin1('\xff\x0a'), `it is a JPEG XL image${NO_DECODER}`],
    ['x.jp2', latin1('\0\0\0\x0cjP  \r\n\x87\n'), `it is a JPEG 2000 image${NO_DECODER}`],
    ['x.bmp', latin1('BM\x46\x01\0\0\0\0\0\0\x36'), `it is a BMP image${NO_DECODER}`],
    ['x.ico', latin1('\0\0\x01\0\x01\0'), `it is an icon (ICO)${NO_DECODER}`],
    ['x.psd', latin1('8BPS\0\x01'), `it is a Photoshop document (PSD)${NO_DECODER}`],
    ['x.exr', latin1('\x76\x2f\x31\x01'), `it is an OpenEXR image${NO_DECODER}`],
    ['x.hdr', latin1('#?RADIANCE\n'), `it is a Radiance HDR image${NO_DECODER}`],
    ['x.ppm', latin1('P6\n2 2\n255\n'), `it is a PNM image${NO_DECODER}`],
    ['x.qoi', latin1('qoif'), `it is a QOI image${NO_DECODER}`],
    ['x.cr2', latin1('II*\0\x10\0\0\0CR\x02\0'), `it is a camera raw file (CR2)${NO_DECODER}`],
    ['x.cr3', latin1('\0\0\0\x18ftypcrx '), `it is a camera raw file (CR3)${NO_DECODER}`],
    ['x.raf', latin1('FUJIFILMCCD-RAW 0201'), `it is a camera raw file (RAF)${NO_DECODER}`],
    ['x.mp4', latin1('\0\0\0\x18ftypisom'), 'it is a video; read are PNG'],
    ['x.pdf.png', latin1('%PDF-1.7'), 'it is a PDF document; read are PNG'],
    ['page.png', latin1('<!DOCTYPE html>'), 'it is a web page or other XML: check the URL; read are PNG'],
    [
      'pointer.png',
      latin1('version https://git-lfs.github.com/spec/v1\n'),
      'it is a Git LFS pointer, which only names',
    ],
    ['weights.png', latin1('PK\x03\x04'), 'it is a zip archive'],
    ['array.png', latin1('\x93NUMPY\x01\0'), 'it is a NumPy array (.npy)'],
    ['nothing.png', new Uint8Array(), 'it is empty; read are PNG'],
    ['random.png', latin1('\x01\x02\x03'), 'it is a file that begins like no image that is known; read are PNG'],
  ])('%s', async (name, bytes, message) => {
    const reading = readImage(await put(join(folder, name), bytes));
    await expect(reading).rejects.toThrow(GlobalPercError);
    await expect(reading).rejects.toMatchObject({ code: 'invalid-file' });
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(/^[^\n]+$/);
  });

  it.each<[string, () => Promise<Uint8Array> | Uint8Array]>([
    ['a preview before the picture', () => retagged(296, 254, 1)],
    ['a DNG', () => retagged(296, 50706, 0x01040000)],
  ])('raw files that look like TIFF: %s', async (name, bytes) => {
    const reading = readImage(await put(join(folder, `${name}.tiff`), await bytes()));
    await expect(reading).rejects.toThrow(`it is a camera raw file (DNG, NEF, ARW or the like)${NO_DECODER}`);
  });
});

describe('a file of a known format is damaged', () => {
  const png = Uint8Array.from(
    Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC',
      'base64',
    ),
  );
  /** The PNG with another size in its header, whose checksum then fails. */
  const lying = (): Uint8Array => {
    const bytes = png.slice();
    new DataView(bytes.buffer).setUint32(16, 0x7fffffff);
    return bytes;
  };

  it.each<[string, Uint8Array]>([
    ['half a photograph.jpg', readFileSync(PHOTOGRAPH).subarray(0, 80_000)],
    ['half a header.png', png.subarray(0, 20)],
    ['a size that lies.png', lying()],
    ['half a heic.heic', HEIC.subarray(0, 100)],
    ['a directory that lies.tiff', directory(256, 1)],
    ['a directory outside.tiff', Uint8Array.of(0x49, 0x49, 0x2a, 0, 0xff, 0xff, 0xff, 0x7f)],
  ])('%s', async (name, bytes) => {
    const reading = readImage(await put(join(folder, name), bytes));
    await expect(reading).rejects.toMatchObject({ name: 'GlobalPercError', code: 'invalid-file' });
    await expect(reading).rejects.toThrow(/^[^\n]+$/);
  });
});

it('a data set says what it skips', async () => {
  const path = join(folder, 'set');
  await mkdir(path);
  await putPng(join(path, 'good.png'), 1);
  await put(join(path, 'phone.jpg'), HEIC);
  await put(join(path, 'pointer.png'), latin1('version https://git-lfs.github.com/spec/v1\n'));
  const told: string[] = [];
  const set = await ImageFolder.open(path, { logger: (line) => told.push(line) });
  expect(set).toHaveLength(1);
  expect(told).toEqual([
    expect.stringContaining("phone.jpg', which cannot be read: it is a HEIC image, for which there is no decoder here"),
    expect.stringContaining("pointer.png', which cannot be read: it is a Git LFS pointer"),
  ]);
});
