/** Reads the stored fixtures: safetensors files whose metadata holds the cases as JSON. */
import { readFileSync } from 'node:fs';
import { type ConstantData, constantOf, type DataType, numbersOf, typedArray } from '../../src/graph/index.js';
import type { StateDict } from '../../src/nn/index.js';

const DTYPES: Record<string, DataType> = {
  F32: 'float32',
  F64: 'float64',
  I64: 'int64',
  U8: 'uint8',
  BOOL: 'bool',
  I32: 'int32',
};

export interface Fixture<Case> {
  readonly cases: Case[];
  /** What the file says besides its cases. */
  about<Content>(key: string): Content;
  tensor(key: string): ConstantData;
}

export function readFixture<Case>(path: string): Fixture<Case> {
  const bytes = readFileSync(new URL(`../../fixtures/data/${path}`, import.meta.url));
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerSize));
  return {
    cases: JSON.parse(header.__metadata__.cases),
    about: (key) => JSON.parse(header.__metadata__[key]),
    tensor(key) {
      const entry = header[key];
      if (entry === undefined) throw new Error(`${path} has no tensor '${key}'`);
      const [from, to] = entry.data_offsets.map((offset: number) => offset + 8 + headerSize);
      return {
        dtype: DTYPES[entry.dtype] as DataType,
        shape: entry.shape,
        bytes: Uint8Array.from(bytes.subarray(from, to)),
      };
    },
  };
}

/** The same numbers in another dtype. */
export const castConstant = (data: ConstantData, dtype: DataType): ConstantData =>
  data.dtype === dtype ? data : constantOf(dtype, data.shape, numbersOf(data));

/** A stored tensor as callers hand tensors in. */
export const hostOf = ({ shape, dtype, bytes }: ConstantData): { dims: number[]; data: Float32Array } => ({
  dims: [...shape],
  data: typedArray(dtype, bytes) as Float32Array,
});

/** A state dict from the keys of its tensors. */
export const stateOf = (fixture: Fixture<unknown>, keys: Readonly<Record<string, string>>): StateDict =>
  Object.fromEntries(
    Object.entries(keys).map(([name, key]) => {
      const constant = fixture.tensor(key);
      return [name, { dtype: constant.dtype as 'float32', ...hostOf(constant) }];
    }),
  );
