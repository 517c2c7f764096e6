/** Weights that a model keeps in files beside itself. */
import { TensorProto_DataLocation as Location, type TensorProto } from 'onnx-buf';
import {
  type ConstantData,
  constantInFile,
  type FilePlace,
  fileKind,
  GlobalPercError,
  isLfsPointer,
  KIND_BYTES,
  widened,
} from '../graph/index.js';
import { typeOfProto } from './tensors.js';

/** A file beside the model. */
export interface ExternalFile {
  readonly length: number;
  /** Where ONNX Runtime can read the file by itself: a folder, and the file's path from there. */
  readonly place?: Omit<FilePlace, 'offset'>;
  /** @throws GlobalPercError when the file has become unreadable. */
  read(offset: number, length: number): Uint8Array;
}

/** A file whose bytes are all in memory. */
export const fileInMemory = (bytes: Uint8Array): ExternalFile => ({
  length: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

/** Opens a file that lies beside the model, by the path the model gives. */
export type ExternalReader = (location: string) => Promise<ExternalFile> | ExternalFile;

/** Smaller tensors are read at once: shape arithmetic looks at them often. */
export const STAYS_IN_FILE_FROM = 64 * 1024;

/** The tensors of a model. */
export interface Tensors {
  /** Those that may stay in files. */
  readonly weights: readonly TensorProto[];
  /** Those in attributes of nodes. */
  readonly inAttributes: readonly TensorProto[];
}

/**
 * Gives external tensors their bytes, as if they had been in the model. Large ones stay in their files, where ONNX
 * Runtime can read them.
 * @returns the constants of the tensors that stay.
 * @throws GlobalPercError naming the file that is missing or too short.
 */
export async function loadExternal(
  { weights, inAttributes }: Tensors,
  source: string,
  read: ExternalReader | undefined,
): Promise<ReadonlyMap<TensorProto, ConstantData>> {
  const mayStay = new Set(weights);
  const files = new Map<string, ExternalFile>();
  const inFile = new Map<TensorProto, ConstantData>();
  for (const tensor of [...weights, ...inAttributes]) {
    if (tensor.dataLocation !== Location.EXTERNAL) continue;
    const where = `${source}: tensor '${tensor.name}'`;
    const { location, offset, length } = placeOf(tensor, where);
    const file = files.get(location) ?? (await openFile(location, where, read));
    files.set(location, file);
    const end = length === undefined ? file.length : offset + length;
    if (end > file.length || offset > end) {
      throw new GlobalPercError(
        `${where} lies at bytes ${offset} to ${end} of '${location}', which has ${file.length}; download it again`,
        { code: 'invalid-model' },
      );
    }
    tensor.dataLocation = Location.DEFAULT;
    const bytes = (from = 0, count = end - offset): Uint8Array => file.read(offset + from, count);
    if (file.place && mayStay.has(tensor) && end - offset >= STAYS_IN_FILE_FROM) {
      const type = typeOfProto(tensor, end - offset, where);
      // At any byte of the file: the runtime reads weights wherever they begin.
      inFile.set(tensor, widened(constantInFile(type, { ...file.place, offset }, bytes)));
    } else tensor.rawData = bytes() as Uint8Array<ArrayBuffer>;
  }
  return inFile;
}

interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number | undefined;
}

function placeOf(tensor: TensorProto, where: string): Place {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location');
  const offset = Number(entries.get('offset') ?? 0);
  const length = entries.has('length') ? Number(entries.get('length')) : undefined;
  if (!location || !isCount(offset) || !isCount(length ?? 0)) {
    throw new GlobalPercError(
      `${where} is external, but its location, offset or length cannot be read; export it again`,
      { code: 'invalid-model' },
    );
  }
  // The specification demands it, and a model must not reach into its user's files.
  if (/^([/\\]|[a-z]:)|(^|[/\\])\.\.([/\\]|$)/i.test(location)) {
    throw new GlobalPercError(
      `${where} is kept in '${location}', outside the model's directory, which is refused: export it with its data beside it`,
      {
        code: 'invalid-model',
      },
    );
  }
  return { location, offset, length };
}

const isCount = (number: number): boolean => Number.isSafeInteger(number) && number >= 0;

async function openFile(location: string, where: string, read: ExternalReader | undefined): Promise<ExternalFile> {
  const missing = `${where} is kept in the file '${location}' beside the model`;
  if (read === undefined)
    throw new GlobalPercError(`${missing}; load the model by path or URL, so that it can be found`, { code: 'io' });
  const file = await openedBy(read, location, missing);
  // A pointer is long enough for small tensors, whose values would be its letters.
  const begin = file.read(0, Math.min(file.length, KIND_BYTES));
  if (!isLfsPointer(begin)) return file;
  throw new GlobalPercError(`${missing}, but that is ${fileKind(begin)}`, { code: 'invalid-model' });
}

async function openedBy(read: ExternalReader, location: string, missing: string): Promise<ExternalFile> {
  try {
    return await read(location);
  } catch (error) {
    if (error instanceof GlobalPercError) throw error;
    const reason = (error as Error).message;
    throw new GlobalPercError(`${missing}, which cannot be read: ${reason}`, { code: 'io', cause: error });
  }
}
