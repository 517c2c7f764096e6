/** The files that torch.save wrote before PyTorch 1.6, and still does when asked: pickles, then the storages' bytes. */
import type { OpenFile } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { ByteCursor } from './byte-cursor.js';
import { unpickle } from './pickle.js';
import { badPickle, kindOf, type PickledStorage, type PickleValue } from './pickle-values.js';
import type { MemoryBudget } from './strided.js';
import type { TorchContainer } from './torch-container.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Bytes of the number of elements before each storage. */
const COUNT = 8;

/** Opens a file and reads its pickles. @throws GlobalPercError when it is damaged or is not one of torch.save. */
export function openTorchLegacy(file: OpenFile, source: string, budget: MemoryBudget): TorchContainer {
  const cursor = new ByteCursor(file, source);
  const next = (): PickleValue => unpickle(cursor).value;
  requireMagic(next(), source);
  const protocol = next();
  if (protocol !== PROTOCOL) {
    throw new GlobalPercError(`${source} has protocol ${kindOf(protocol)} ${String(protocol)}; expected ${PROTOCOL}`, {
      code: 'invalid-file',
    });
  }
  requireLittleEndian(next(), source);
  const { value, storages } = unpickle(cursor);
  const keys = next();
  const places = placesOf(keys, storages, file, cursor.position, source);
  return {
    value,
    async read(storage) {
      const place = places.get(storage.key);
      if (place === undefined) throw badPickle(source, `storage '${storage.key}' is not there`);
      // Charged before it is read.
      budget.spend(storage.byteLength);
      return file.read(place, storage.byteLength);
    },
  };
}

function requireMagic(value: PickleValue, source: string): void {
  if (value === MAGIC) return;
  throw new GlobalPercError(
    `${source} is a plain pickle, which holds ${kindOf(value)}, not a file of torch.save; save the weights in Python: ` +
      'torch.save(model.state_dict(), path)',
    { code: 'invalid-file' },
  );
}

function requireLittleEndian(system: PickleValue, source: string): void {
  if (!(system instanceof Map)) throw badPickle(source, `its system information is ${kindOf(system)}`);
  if (system.get('little_endian') === true) return;
  throw new GlobalPercError(
    `${source} was written on a big-endian machine; only little-endian files are read. Load and save it again on a ` +
      'current machine',
    { code: 'invalid-file' },
  );
}

/** Where the bytes of each storage begin. */
function placesOf(
  keys: PickleValue,
  storages: ReadonlyMap<string, PickledStorage>,
  file: OpenFile,
  begin: number,
  source: string,
): Map<string, number> {
  const places = new Map<string, number>();
  if (!Array.isArray(keys)) throw badPickle(source, `its list of storages is ${kindOf(keys)}`);
  let at = begin;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined) throw badPickle(source, `its list of storages names ${kindOf(key)} that no tensor has`);
    const left = file.length - at - COUNT;
    if (storage.byteLength > left) {
      throw new GlobalPercError(
        `${source} is truncated: storage '${storage.key}' needs ${storage.byteLength} bytes, ${Math.max(left, 0)} are there`,
        { code: 'invalid-file' },
      );
    }
    requireCount(new DataView(file.read(at, COUNT).buffer), storage, source);
    places.set(storage.key, at + COUNT);
    at += COUNT + storage.byteLength;
  }
  return places;
}

function requireCount(view: DataView, { key, element, byteLength }: PickledStorage, source: string): void {
  const count = view.getBigInt64(0, true);
  if (count * BigInt(element.bytes) === BigInt(byteLength)) return;
  throw badPickle(source, `storage '${key}' has ${count} elements of ${element.name} instead of ${byteLength} bytes`);
}
