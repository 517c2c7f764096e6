/** The zip archives that torch.save writes since PyTorch 1.6. */
import { type FileEntry, Reader, ZipReader } from '@zip.js/zip.js';
import type { OpenFile } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { ByteCursor, inMemory } from './byte-cursor.js';
import { unpickle } from './pickle.js';
import type { PickledStorage } from './pickle-values.js';
import type { MemoryBudget } from './strided.js';
import type { TorchContainer } from './torch-container.js';

/** Entries that are looked at: one per tensor, and a few. */
const MAX_ENTRIES = 1 << 18;

/** In this thread, so that nothing is copied; without checksums, which PyTorch can be told to leave out. */
const OPTIONS = { useWebWorkers: false, checkCrc32: false } as const;

/** Compression method of entries that are as they are: all that PyTorch itself writes. */
const STORED = 0;

type Entries = ReadonlyMap<string, FileEntry>;

/** Opens an archive and reads its pickle. @throws GlobalPercError when it is damaged or is not one of torch.save. */
export async function openTorchZip(file: OpenFile, source: string, budget: MemoryBudget): Promise<TorchContainer> {
  const entries = await entriesOf(file, source);
  const root = rootOf(entries, source);
  const read = async (name: string, length?: number): Promise<Uint8Array> => {
    const entry = entries.get(`${root}/${name}`);
    if (entry === undefined) throw damaged(source, `it has no entry '${root}/${name}'`);
    if (length !== undefined && entry.uncompressedSize !== length) {
      throw damaged(source, `entry '${root}/${name}' has ${entry.uncompressedSize} bytes instead of ${length}`);
    }
    const bytes = entry.compressionMethod === STORED ? readStored(entry, file, budget) : unpack(entry, budget);
    return bytes.catch((error: unknown) => {
      throw explained(error, source);
    });
  };
  if (entries.has(`${root}/byteorder`)) requireLittleEndian(await read('byteorder'), source);
  const { value } = unpickle(new ByteCursor(inMemory(await read('data.pkl')), source));
  return { value, read: ({ key, byteLength }: PickledStorage) => read(`data/${key}`, byteLength) };
}

async function entriesOf(file: OpenFile, source: string): Promise<Entries> {
  const entries = new Map<string, FileEntry>();
  try {
    for await (const entry of new ZipReader(new FileReader(file), OPTIONS).getEntriesGenerator()) {
      if (entries.size === MAX_ENTRIES) throw damaged(source, `it has more than ${MAX_ENTRIES} entries`);
      if (!entry.directory) entries.set(entry.filename, entry);
    }
  } catch (error) {
    throw explained(error, source);
  }
  return entries;
}

/** Parts of the file, for the library. */
class FileReader extends Reader<OpenFile> {
  constructor(private readonly file: OpenFile) {
    super(file);
    this.size = file.length;
  }

  override async readUint8Array(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const begin = Math.min(Math.max(offset, 0), this.file.length);
    return this.file.read(begin, Math.min(length, this.file.length - begin)) as Uint8Array<ArrayBuffer>;
  }
}

/** The folder that everything is in: the name of the file when it was saved. */
function rootOf(entries: Entries, source: string): string {
  const names = [...entries.keys()];
  const roots = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name)).map((name) => name.slice(0, name.indexOf('/')));
  const [root] = roots;
  if (names.some((name) => /^[^/]+\/(code\/|constants\.pkl$)/.test(name))) {
    throw new GlobalPercError(
      `${source} is a TorchScript archive, a program rather than weights; in Python: ` +
        'torch.save(torch.jit.load(path).state_dict(), new_path)',
      { code: 'invalid-file' },
    );
  }
  if (root !== undefined && roots.length === 1) return root;
  throw new GlobalPercError(
    `${source} is a zip file, but not one of torch.save: it has ${roots.length} entries named '<folder>/data.pkl' instead of 1`,
    { code: 'invalid-file' },
  );
}

function requireLittleEndian(bytes: Uint8Array, source: string): void {
  const order = new TextDecoder().decode(bytes.subarray(0, 16));
  if (order === 'little') return;
  throw new GlobalPercError(
    `${source} was written on a machine with byte order '${order}'; only little-endian files are read. Load and save it ` +
      'again on a current machine',
    { code: 'invalid-file' },
  );
}

/** The bytes of an entry, read in one piece: several times faster than the library's streams. */
async function readStored(entry: FileEntry, file: OpenFile, budget: MemoryBudget): Promise<Uint8Array> {
  // Finds where the bytes begin, and checks that they belong to no other entry.
  await entry.getData(new WritableStream(), { ...OPTIONS, checkOverlappingEntryOnly: true });
  const place = entry.localDirectory?.dataOffset;
  if (place === undefined || entry.compressedSize !== entry.uncompressedSize) {
    throw new Error(`entry '${entry.filename}' has two sizes`);
  }
  budget.spend(entry.uncompressedSize);
  return file.read(place, entry.uncompressedSize);
}

/** The bytes of a compressed entry. What unpacks to more than it declares is stopped there. */
async function unpack(entry: FileEntry, budget: MemoryBudget): Promise<Uint8Array> {
  const bytes = budget.allocate(entry.uncompressedSize);
  let done = 0;
  const writable = new WritableStream<Uint8Array>({
    write(chunk) {
      if (chunk.length > bytes.length - done) throw new Error(`entry '${entry.filename}' is too long`);
      bytes.set(chunk, done);
      done += chunk.length;
    },
  });
  await entry.getData(writable, OPTIONS);
  if (done < bytes.length) throw new Error(`entry '${entry.filename}' is too short`);
  return bytes;
}

const explained = (error: unknown, source: string): GlobalPercError =>
  error instanceof GlobalPercError ? error : damaged(source, (error as Error).message, error);

const damaged = (source: string, problem: string, cause?: unknown): GlobalPercError =>
  new GlobalPercError(`${source} is a zip file that is truncated or damaged: ${problem}; get or save it again`, {
    code: 'invalid-file',
    cause,
  });
