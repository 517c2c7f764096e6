/** Tensors in files, as PyTorch reads and writes them (https://huggingface.co/docs/safetensors). */
import type { OpenFile } from '../files/index.js';
import {
  bytesOf,
  bytesPerElement,
  type ConstantData,
  constantInFile,
  type DataType,
  type FilePlace,
  fileKind,
  GlobalPercError,
  KIND_BYTES,
  type Shape,
  sizeOf,
  type TypedArray,
  typedArray,
} from '../graph/index.js';
import { instanceOf, refused } from '../options/index.js';
import { inMemory } from './byte-cursor.js';

/** A tensor of a file. float16 and bfloat16 are held as the bits of their elements, in a Uint16Array. */
export interface SafeTensor {
  readonly dtype: DataType;
  readonly dims: Shape;
  readonly data: TypedArray;
  /** The same where it stays in its file; `data` then reads that whenever it is asked for. */
  readonly constant?: ConstantData;
}

/** What a file holds. */
export interface Safetensors {
  readonly tensors: Map<string, SafeTensor>;
  /** Free text by key; empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
}

const DTYPES: Readonly<Record<string, DataType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
};
const NAMES = new Map(Object.entries(DTYPES).map(([name, dtype]) => [dtype, name]));
const isBytes = instanceOf(Uint8Array, 'a Uint8Array of the whole file');
const METADATA = '__metadata__';

/** Bytes of the header's length, and what the header is padded to a multiple of, so that the data are aligned. */
const WORD = 8;

/**
 * The bytes of a file; the same tensors give the same bytes.
 * @throws GlobalPercError when a tensor's dimensions and data do not agree, or its name is `__metadata__`.
 */
export function formatSafetensors(
  tensors: Readonly<Record<string, SafeTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  if (!isRecord(tensors))
    throw refused('formatSafetensors: tensors', 'tensors { dtype, dims, data } by name', tensors, {
      code: 'invalid-argument',
    });
  // The widest elements first: each tensor then begins at a multiple of its element's width, without gaps.
  for (const [name, tensor] of Object.entries(tensors)) requireWhole(name, tensor);
  const entries = Object.entries(tensors).sort(([, a], [, b]) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  let size = 0;
  const described = entries.map(([name, tensor]) => {
    const begin = size;
    size += tensor.data.byteLength;
    return [name, { dtype: NAMES.get(tensor.dtype), shape: tensor.dims, data_offsets: [begin, size] }] as const;
  });
  const about = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...about, ...described])));
  const start = WORD + Math.ceil(header.length / WORD) * WORD;
  const bytes = new Uint8Array(start + size).fill(0x20, WORD, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - WORD), true);
  bytes.set(header, WORD);
  let offset = start;
  for (const [, { data }] of entries) {
    bytes.set(bytesOf(data), offset);
    offset += data.byteLength;
  }
  return bytes;
}

function requireWhole(name: string, tensor: SafeTensor): void {
  const { dtype, dims, data } = Object(tensor) as SafeTensor;
  if (!NAMES.has(dtype) || !isCounts(dims) || !ArrayBuffer.isView(data)) {
    throw refused(`tensor '${name}'`, '{ dtype, dims, data } with data in a typed array', tensor, {
      code: 'invalid-argument',
    });
  }
  if (name === METADATA)
    throw new GlobalPercError(`a tensor cannot be named '${METADATA}' in a safetensors file`, {
      code: 'invalid-argument',
    });
  const needed = sizeOf(dims) * bytesPerElement(dtype);
  if (data.byteLength === needed) return;
  throw new GlobalPercError(
    `tensor '${name}', ${dtype} [${dims}], needs ${needed} bytes, its data have ${data.byteLength}`,
    { code: 'invalid-argument' },
  );
}

/**
 * Reads the bytes of a file.
 * @param source the file's name, for messages.
 * @returns tensors in the header's order, each with data of its own.
 * @throws GlobalPercError when the file is truncated or malformed.
 */
export const parseSafetensors = (bytes: Uint8Array, source: string): Safetensors =>
  readSafetensors(inMemory(isBytes(bytes, 'parseSafetensors: bytes')), source);

/** Bytes of a tensor from which on it may stay in its file, and what it begins at a multiple of there. */
const [STAYS_FROM, ALIGNMENT] = [2 ** 16, 8];

/**
 * As `parseSafetensors`, of a file of any size, tensor by tensor.
 * @param place the file's; where it is given, large tensors stay in it.
 */
export function readSafetensors(file: OpenFile, source: string, place?: Omit<FilePlace, 'offset'>): Safetensors {
  const { header, start } = readHeader(file, source);
  const { [METADATA]: metadata = {}, ...rest } = header;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw malformed(source, `${METADATA} should map names to text`);
  }
  const entries = Object.entries(rest).map(([name, entry]) => checkedEntry(name, entry, source));
  requireCover(entries, file.length - start, source);
  return {
    tensors: new Map(
      entries.map(({ name, dtype, dims, begin, end }) => {
        const [offset, length] = [start + begin, end - begin];
        const read = (from = 0, count = length): Uint8Array => file.read(offset + from, count);
        const stays = place !== undefined && length >= STAYS_FROM && offset % ALIGNMENT === 0;
        if (!stays) return [name, { dtype, dims, data: typedArray(dtype, read()) }] as const;
        const constant = constantInFile({ dtype, shape: dims }, { ...place, offset }, read);
        return [name, tensorInFile(constant)] as const;
      }),
    ),
    metadata: metadata as Record<string, string>,
  };
}

const tensorInFile = (constant: ConstantData): SafeTensor => ({
  dtype: constant.dtype,
  dims: constant.shape,
  constant,
  get data() {
    return typedArray(constant.dtype, constant.bytes);
  },
});

/** The header, and where the data start. */
function readHeader(file: OpenFile, source: string): { header: Record<string, unknown>; start: number } {
  if (file.length < WORD) {
    throw new GlobalPercError(
      `${source} is truncated: a safetensors file has at least ${WORD} bytes, this one ${file.length}`,
      { code: 'invalid-file' },
    );
  }
  const length = new DataView(file.read(0, WORD).buffer).getBigUint64(0, true);
  const start = WORD + Number(length);
  if (start > file.length) throw tooShort(length, file, source);
  return { header: parseHeader(file.read(WORD, start - WORD), source), start };
}

/** A file that has no room for its header: most often another kind of file, whose first letters are no length. */
function tooShort(length: bigint, file: OpenFile, source: string): GlobalPercError {
  const kind = fileKind(file.read(0, Math.min(file.length, KIND_BYTES)));
  const problem =
    kind && !kind.startsWith('a safetensors file')
      ? `no safetensors file: it is ${kind}`
      : `truncated, or no safetensors file: its header should have ${length} bytes, ${file.length - WORD} are there`;
  return new GlobalPercError(`${source} is ${problem}`, { code: 'invalid-file' });
}

function parseHeader(bytes: Uint8Array, source: string): Record<string, unknown> {
  let cause: unknown;
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isRecord(header)) return header;
  } catch (error) {
    cause = error;
  }
  throw malformed(source, 'its header is not a JSON object', cause);
}

interface Entry {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function checkedEntry(name: string, entry: unknown, source: string): Entry {
  const { dtype: type, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
  const dtype = typeof type === 'string' && Object.hasOwn(DTYPES, type) ? DTYPES[type] : undefined;
  if (dtype === undefined) {
    throw malformed(
      source,
      `tensor '${name}' has the dtype ${JSON.stringify(type)}; known are ${Object.keys(DTYPES).join(', ')}`,
    );
  }
  if (!isCounts(shape)) {
    throw malformed(source, `tensor '${name}' has the shape ${JSON.stringify(shape)}; expected a list of integers`);
  }
  const [begin, end, ...more] = isCounts(offsets) ? offsets : [];
  if (begin === undefined || end === undefined || more.length > 0 || begin > end) {
    throw malformed(source, `tensor '${name}' has the data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`);
  }
  const needed = sizeOf(shape) * bytesPerElement(dtype);
  if (end - begin !== needed) {
    throw malformed(
      source,
      `tensor '${name}', ${type} [${shape}], needs ${needed} bytes, its data_offsets span ${end - begin}`,
    );
  }
  return { name, dtype, dims: shape, begin, end };
}

/** Every byte of the data belongs to exactly one tensor. */
function requireCover(entries: readonly Entry[], length: number, source: string): void {
  let covered = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) throw malformed(source, `tensor '${name}' begins at byte ${begin}, inside the one before it`);
    if (begin > covered) throw malformed(source, `the bytes ${covered} to ${begin} of its data belong to no tensor`);
    covered = end;
  }
  if (covered > length) {
    throw new GlobalPercError(`${source} is truncated: its tensors need ${covered} bytes, ${length} are there`, {
      code: 'invalid-file',
    });
  }
  if (covered < length) throw malformed(source, `the bytes ${covered} to ${length} of its data belong to no tensor`);
}

const malformed = (source: string, problem: string, cause?: unknown): GlobalPercError =>
  new GlobalPercError(`${source} is not a valid safetensors file: ${problem}`, { code: 'invalid-file', cause });

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
