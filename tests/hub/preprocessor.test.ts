/** The preprocessing that a repository describes: JSON objects alone are taken. */
import { expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { parsePreprocessor } from '../../src/hub/preprocessor.js';

it('gives what the file says', () => {
  expect(parsePreprocessor('{"size": 224}', 'p.json')).toEqual({ size: 224 });
});

it.each([
  [
    'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 8\n',
    /'p\.json' is not JSON: it is a Git LFS pointer/,
  ],
  ['<!DOCTYPE html>', /'p\.json' is not JSON: it is a web page/],
  ['', /'p\.json' is not JSON: it is empty$/],
  ['{"size": ', /'p\.json' is not JSON: .*JSON/],
  ['[224]', /'p\.json' should be a JSON object, got \[224\]/],
  ['null', /'p\.json' should be a JSON object, got null/],
])('refuses %j', (text, message) => {
  const parse = (): unknown => parsePreprocessor(text, 'p.json');
  expect(parse).toThrow(GlobalPercError);
  expect(parse).toThrow(message);
  expect(parse).not.toThrow(/it is JSON/);
});
