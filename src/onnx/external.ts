/** Weights that a model keeps in files beside itself. */
import { TensorProto_DataLocation as Location, type TensorProto } from 'onnx-buf';
import { GlobalPercError } from '../graph/index.js';

/** Returns the bytes of a file that lies beside the model, by the path the model gives. */
export type ExternalReader = (location: string) => Promise<Uint8Array> | Uint8Array;

/**
 * Gives every external tensor its bytes, as if they had been in the model. Each file is read once and not copied.
 * @throws GlobalPercError naming the file that is missing or too short.
 */
export async function loadExternal(
  tensors: readonly TensorProto[],
  source: string,
  read: ExternalReader | undefined,
): Promise<void> {
  const files = new Map<string, Uint8Array>();
  for (const tensor of tensors) {
    if (tensor.dataLocation !== Location.EXTERNAL) continue;
    const where = `${source}: tensor '${tensor.name}'`;
    const { location, offset, length } = placeOf(tensor, where);
    const file = files.get(location) ?? (await readFile(location, where, read));
    files.set(location, file);
    const end = length === undefined ? file.length : offset + length;
    if (end > file.length || offset > end) {
      throw new GlobalPercError(
        `${where} lies at bytes ${offset} to ${end} of '${location}', which has ${file.length}; download it again`,
      );
    }
    tensor.rawData = file.subarray(offset, end) as Uint8Array<ArrayBuffer>;
    tensor.dataLocation = Location.DEFAULT;
  }
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
    );
  }
  // The specification demands it, and a model must not reach into its user's files.
  if (/^([/\\]|[a-z]:)|(^|[/\\])\.\.([/\\]|$)/i.test(location)) {
    throw new GlobalPercError(`${where} is kept in '${location}', outside the model's directory; this is refused`);
  }
  return { location, offset, length };
}

const isCount = (number: number): boolean => Number.isSafeInteger(number) && number >= 0;

async function readFile(location: string, where: string, read: ExternalReader | undefined): Promise<Uint8Array> {
  const missing = `${where} is kept in the file '${location}' beside the model`;
  if (read === undefined)
    throw new GlobalPercError(`${missing}; load the model by path or URL, so that it can be found`);
  try {
    return await read(location);
  } catch (error) {
    if (error instanceof GlobalPercError) throw error;
    throw new GlobalPercError(`${missing}, which cannot be read: ${(error as Error).message}`);
  }
}
