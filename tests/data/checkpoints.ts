/** The stored checkpoints, and small pickles written by hand. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSafetensors, type SafeTensor } from '../../src/data/index.js';
import { bytesOf } from '../../src/graph/index.js';

/** Path of a stored file. */
export const checkpoint = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/data/checkpoints/${name}`, import.meta.url));

export const bytesAt = (name: string): Uint8Array => new Uint8Array(readFileSync(checkpoint(name)));

export const jsonAt = <Content>(name: string): Content => JSON.parse(readFileSync(checkpoint(name), 'utf8')) as Content;

/** A file, and the key of each tensor it holds. */
interface Case {
  readonly file: string;
  readonly tensors: Readonly<Record<string, string>>;
}

const expected = parseSafetensors(bytesAt('expected.safetensors'), 'expected.safetensors');

/** Files that can be read, and what PyTorch reads from them. */
export const readable = (JSON.parse(expected.metadata.cases as string) as Case[]).map(({ file, tensors }) => ({
  file,
  tensors: Object.entries(tensors).map(([name, key]) => [name, expected.tensors.get(key) as SafeTensor] as const),
}));

/** A tensor as plain values, so that none but its own elements count. */
export const contentOf = ({ dtype, dims, data }: SafeTensor): unknown => ({
  dtype,
  dims: [...dims],
  array: data.constructor.name,
  bytes: Buffer.from(bytesOf(data)).toString('hex'),
});

/** Bytes of text with one character per byte, as pickles are shown. */
export const pickleOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
