/** Images in a column of Parquet files, as data sets of the Hugging Face hub have them. */
import zlib from 'node:zlib';
import type { AsyncBuffer, ColumnChunk, Compressors, FileMetaData, SchemaTree } from 'hyparquet';
import { openForReading } from '../files/index.js';
import { GlobalPercError, listed } from '../graph/index.js';
import { peerError } from '../peers/index.js';
import { BoundedCache } from './bounded-cache.js';
import type { ImageSource, Shard } from './image-source.js';

async function loadHyparquet(): Promise<typeof import('hyparquet')> {
  try {
    return await import('hyparquet');
  } catch (error) {
    throw peerError('hyparquet', error);
  }
}

// From Node 22.15 on.
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array };

/** Snappy is the library's own. */
const COMPRESSORS: Compressors = {
  GZIP: (bytes) => zlib.gunzipSync(bytes),
  BROTLI: (bytes) => zlib.brotliDecompressSync(bytes),
  ...(zstdDecompressSync && { ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes) }),
};

/** An image as a row holds it: its bytes, or `datasets`' form of them. */
type Cell = Uint8Array | { readonly bytes?: unknown; readonly path?: unknown } | null | undefined;

/** Bytes of images that are kept, of all files together: the rows of a group are read at once. */
const BUDGET = 256 * 2 ** 20;
/** Tells apart what was opened: a file may be another by then. */
let opened = 0;
const groups = new BoundedCache<readonly Cell[]>(BUDGET, (cells) =>
  cells.reduce((sum, cell) => sum + (bytesIn(cell)?.length ?? 0), 0),
);

/**
 * The images of a column, in the order of the rows; its description alone is read.
 * @param column its name; default: the only one that holds images, by what `datasets` says of it or by its type.
 * @throws GlobalPercError when the file is none or damaged, or has no such column; when hyparquet is not installed.
 */
export async function openParquet(path: string, column: string | undefined): Promise<Shard> {
  const library = await loadHyparquet();
  const { length, read } = await openForReading(path);
  const file: AsyncBuffer = {
    byteLength: length,
    slice(start, end = length) {
      if (start >= 0 && start <= end && end <= length) return read(start, end - start).buffer as ArrayBuffer;
      const refused = Promise.reject(new Error(`bytes ${start} to ${end} are not in the file`));
      // The library waits for it later, or not at all.
      refused.catch(() => undefined);
      return refused;
    },
  };
  const metadata = await library.parquetMetadataAsync(file).catch((error: unknown) => {
    throw damaged('it is no Parquet file, or its end is missing', error);
  });
  const columns = schemaOf(library, metadata).children;
  const name = columnOf(metadata, columns, column);
  const leaves = leavesOf(columns.find(({ element }) => element.name === name) as SchemaTree);
  const readRows = async (rowStart: number, rowEnd: number): Promise<readonly Cell[]> => {
    const options = { file, metadata, columns: [name], rowStart, rowEnd, compressors: COMPRESSORS, utf8: false };
    const rows = await library.parquetReadObjects(options).catch((error: unknown) => {
      throw damaged(`its rows ${rowStart} to ${rowEnd - 1} cannot be read`, error);
    });
    return rows.map((row) => row[name] as Cell);
  };
  opened += 1;
  const prefix = String(opened);
  const images: ImageSource[] = [];
  for (const { num_rows, columns: chunks } of metadata.row_groups) {
    requireChunks(chunks, name, leaves, num_rows);
    const [start, end] = [images.length, images.length + Number(num_rows)];
    const cells = (): Promise<readonly Cell[]> => groups.get(`${prefix} ${start}`, () => readRows(start, end));
    for (let row = start; row < end; row += 1) images.push(new ParquetCell(`${path} row ${row}`, row - start, cells));
  }
  return { images };
}

function schemaOf(library: typeof import('hyparquet'), metadata: FileMetaData): SchemaTree {
  try {
    return library.parquetSchema(metadata);
  } catch (error) {
    throw damaged('its columns are damaged', error);
  }
}

/** Paths of what a column consists of. */
const leavesOf = ({ children, path }: SchemaTree): string[] =>
  children.length === 0 ? [path.join('.')] : children.flatMap(leavesOf);

/**
 * What is damaged may claim any number of rows; and a part that the library does not expect would fail where nobody waits for it.
 * @throws GlobalPercError when a group has other parts of a column than the description says, or another number of values.
 */
function requireChunks(chunks: readonly ColumnChunk[], name: string, leaves: readonly string[], rows: bigint): void {
  const found = chunks.flatMap(({ meta_data }) => (meta_data?.path_in_schema[0] === name ? [meta_data] : []));
  const paths = found.map(({ path_in_schema }) => path_in_schema.join('.'));
  if (paths.join() === leaves.join() && found.every(({ num_values }) => num_values === rows)) return;
  const values = found.map(({ num_values }, i) => `${num_values} of ${paths[i]}`);
  throw damaged(
    `a group of ${rows} rows should have as many values of ${leaves}, it has ${values.join(', ') || 'none'}`,
  );
}

function damaged(problem: string, cause?: unknown): GlobalPercError {
  const reason = cause === undefined ? '' : `: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new GlobalPercError(`${problem}${reason}`, { code: 'invalid-file', cause });
}

/** @throws GlobalPercError when there is none, or several and none was named. */
function columnOf(metadata: FileMetaData, columns: readonly SchemaTree[], wanted: string | undefined): string {
  const names = columns.map(({ element }) => element.name);
  const told = toldImages(metadata).filter((name) => names.includes(name));
  const images = told.length > 0 ? told : columns.filter(holdsBytes).map(({ element }) => element.name);
  const found = wanted === undefined ? images : names.filter((name) => name === wanted);
  if (found.length === 1) return found[0] as string;
  const what = wanted === undefined ? `${found.length} columns of images` : `no column '${wanted}'`;
  const those = images.length > 0 ? images : names;
  throw new GlobalPercError(`it has ${what}; name one by \`column\`: ${listed(those)}`, { code: 'invalid-option' });
}

/** Columns of which `datasets` has written that they are images. */
function toldImages({ key_value_metadata = [] }: FileMetaData): string[] {
  const about = key_value_metadata.find(({ key }) => key === 'huggingface')?.value ?? '{}';
  try {
    const features = (JSON.parse(about) as { info?: { features?: Record<string, { _type?: unknown }> } }).info
      ?.features;
    return Object.entries(features ?? {}).flatMap(([name, { _type }]) => (_type === 'Image' ? [name] : []));
  } catch {
    return [];
  }
}

/** Whether it is of bytes that are no text, or has a part `bytes` of them. */
function holdsBytes({ element, children }: SchemaTree): boolean {
  if (children.length > 0) return children.some((part) => part.element.name === 'bytes' && holdsBytes(part));
  return element.type === 'BYTE_ARRAY' && element.converted_type === undefined && element.logical_type === undefined;
}

function bytesIn(cell: Cell): Uint8Array | undefined {
  const bytes = cell instanceof Uint8Array ? cell : cell?.bytes;
  return bytes instanceof Uint8Array ? bytes : undefined;
}

class ParquetCell implements ImageSource {
  constructor(
    readonly path: string,
    private readonly row: number,
    private readonly cells: () => Promise<readonly Cell[]>,
  ) {}

  async read(): Promise<Uint8Array> {
    const cell = (await this.cells())[this.row];
    const bytes = bytesIn(cell);
    if (bytes) return bytes;
    const named =
      cell && 'path' in cell && cell.path ? `; it names ${String(cell.path)}, which is not in the file` : '';
    throw new GlobalPercError(`the row holds no bytes of an image${named}`, { code: 'invalid-file' });
  }
}
