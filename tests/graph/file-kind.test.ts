/** Kinds of files by their first bytes, and what is none. */
import { expect, it } from 'vitest';
import { fileKind, isLfsPointer, KIND_BYTES } from '../../src/graph/index.js';

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const LFS = 'version https://git-lfs.github.com/spec/v1\n';

it.each<[text: string, kind: string | undefined]>([
  ['', 'empty'],
  [LFS, 'a Git LFS pointer, which only names the file: fetch the file itself with `git lfs pull`, or download it'],
  ['\x89PNG\r\n', 'a PNG image'],
  ['\xff\xd8\xff\xe0', 'a JPEG image'],
  ['RIFF\x01\x02\x03\x04WEBPVP8 ', 'a WebP image'],
  ['RIFF\x01\x02\x03\x04WAVEfmt ', undefined],
  ['II*\0\x10\0\0\0CR', 'a camera raw file (CR2)'],
  ['II*\0\x10\0\0\0\0\0', 'a TIFF image'],
  ['<svg xmlns', 'an SVG drawing'],
  ['<!doctype html>', 'a web page or other XML: check the URL'],
  ['\n \t<html>', 'a web page or other XML: check the URL'],
  ['a <b>', undefined],
  ['\0\0\0\x20ftypavif\0\0\0\0', 'an AVIF image'],
  ['\0\0\0\x20ftypmif1\0\0\0\0avifmiaf', 'an AVIF image'],
  ['\0\0\0\x20ftypheic\0\0\0\0mif1heic', 'a HEIC image'],
  ['\0\0\0\x20ftypqt  \0\0\0\0heic', 'a video'],
  ['\0\0\0\x20ftypM4A \0\0\0\0', undefined],
  ['heicftypnone', undefined],
  ['BM\x46\x01\0\0\0\0\0\0\x36', 'a BMP image'],
  ['BM\n\n\n\n\0\0\0\0\x36', 'a BMP image'],
  ['BM\x46\x01\0\0\0\0\x01\0\x36', undefined],
  [' BM\x46\x01\0\0\0\0\0\0\x36', undefined],
  ['P6\n2 2\n255\n', 'a PNM image'],
  ['P7 ', 'a PNM image'],
  ['P8\n', undefined],
  ['P62', undefined],
  [' P6\n', undefined],
  ['\x40\n\0\0\0\0\0\0{"', 'a safetensors file, which holds weights alone'],
  ['\x40\0\0\0\0\0\0\x01{"', undefined],
  ['\0\x40\0\0\0\0\0\0\0{"', undefined],
  ['\x40\0\0\0\0\0\0\0["', undefined],
  ['plain text', undefined],
  // Beyond the bytes that tell a kind nothing is read.
  [`\0\0\0\x20ftyp${' '.repeat(KIND_BYTES - 8)}heic`, undefined],
  [`${' '.repeat(KIND_BYTES)}<`, undefined],
])('%j is %s', (text, kind) => {
  expect(fileKind(latin1(text))).toBe(kind);
});

it('a Git LFS pointer begins as one', () => {
  expect([LFS, 'version https://git-lf', `x${LFS}`, ''].map((text) => isLfsPointer(latin1(text)))).toEqual([
    ...[true, false, false, false],
  ]);
});
