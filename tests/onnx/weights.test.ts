/** The folder from which weights in several files are named. */
import { expect, it } from 'vitest';
import { type ConstantData, constantInFile } from '../../src/graph/index.js';
import { WeightWriter } from '../../src/onnx/weights.js';

const inFile = (folder: string, location: string): ConstantData =>
  constantInFile({ dtype: 'float32', shape: [4] }, { folder, location, offset: 3, state: `state of ${location}` }, () =>
    Uint8Array.of(...new Array(16).fill(1)),
  );

it.each<[what: string, folders: string[], folder: string | undefined, names: string[]]>([
  ['one folder', ['/m', '/m'], '/m', ['a', 'b']],
  ['folders beside each other', ['/m/one', '/m/other'], '/m', ['one/a', 'other/b']],
  ['one in the other', ['/m/one', '/m'], '/m', ['one/a', 'b']],
  ['names that begin alike', ['/m/one', '/m/on'], '/m', ['one/a', 'on/b']],
  ['the root', ['/m', '/n'], '/', ['m/a', 'n/b']],
  ['a drive', ['C:\\m\\one', 'C:\\m\\other'], 'C:/m', ['one/a', 'other/b']],
  ['the root of a drive', ['C:\\m', 'C:\\'], 'C:/', ['m/a', 'b']],
  ['two drives', ['C:\\m', 'D:\\m'], undefined, []],
])('%s', (_what, [one = '', other = ''], folder, names) => {
  const constants = [inFile(one, 'a'), inFile(other, 'b')];
  const writer = new WeightWriter(constants, { externalFrom: 1, inPlace: true });
  const written = constants.map((constant, i) => writer.write(constant, `w${i}`));
  if (folder === undefined) {
    expect(writer.inPlace).toBeUndefined();
    expect(writer.external.map(({ path }) => path)).toEqual(['w0', 'w1']);
    return;
  }
  expect(writer.external).toEqual([]);
  const files = { [names[0] as string]: 'state of a', [names[1] as string]: 'state of b' };
  expect(writer.inPlace).toEqual({ folder, files, bytes: 32 });
  expect(written.map(({ externalData }) => externalData.map(({ value }) => value))).toEqual(
    names.map((name) => [name, '3', '16']),
  );
});
