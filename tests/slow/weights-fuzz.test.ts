/** Files of weights with random damage: tensors that are whole, or a GlobalPercError; never another exception. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteCursor, inMemory } from '../../src/data/byte-cursor.js';
import { parseSafetensors, type SafeTensor } from '../../src/data/index.js';
import { unpickle } from '../../src/data/pickle.js';
import { readTorchFile } from '../../src/data/torch-file.js';
import { bytesPerElement, GlobalPercError, sizeOf } from '../../src/graph/index.js';
import { bytesAt, jsonAt } from '../data/checkpoints.js';
import { PATIENCE } from '../support/fuzz.js';

const SEED = 20240607;
const RUNS = 3000;
/** Bytes that a file may take beside twice its own. */
const FLOOR = 1 << 16;

/** One change to a file: a byte, or bytes left out, written twice, or cut off. Places are fractions of the length. */
const change = fc.record({
  kind: fc.constantFrom(
    'byte' as const,
    'byte' as const,
    'remove' as const,
    'repeat' as const,
    'count' as const,
    'cut' as const,
  ),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.integer({ min: 1, max: 40 }),
  value: fc.nat({ max: 255 }),
});
type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

function damaged(bytes: Uint8Array, changes: readonly Change[]): Uint8Array {
  return changes.reduce((current, { kind, at, length, value }) => {
    const begin = Math.floor(at * current.length);
    const end = Math.min(begin + length, current.length);
    if (kind === 'cut') return current.subarray(0, begin);
    if (kind === 'byte') return Uint8Array.from(current, (byte, i) => (i === begin ? value : byte));
    // Lengths, sizes and offsets beyond all bounds.
    if (kind === 'count')
      return Uint8Array.from(current, (byte, i) => (i >= begin && i < begin + 4 ? value | 0x80 : byte));
    return Uint8Array.of(
      ...current.subarray(0, kind === 'remove' ? begin : end),
      ...current.subarray(kind === 'remove' ? end : begin),
    );
  }, bytes);
}

const changes = fc.array(change, { minLength: 1, maxLength: 3 });

/** A file, of which a part is damaged. */
interface Target {
  readonly before: Uint8Array;
  readonly part: Uint8Array;
  readonly after: Uint8Array;
}

const whole = (part: Uint8Array): Target => ({ before: new Uint8Array(0), part, after: new Uint8Array(0) });

/** The pickle of an archive: its first entry, behind a header of 30 bytes, the name and padding. */
function pickleIn(file: Uint8Array): Target {
  const view = new DataView(file.buffer, file.byteOffset);
  const begin = 30 + view.getUint16(26, true) + view.getUint16(28, true);
  const end = Buffer.from(file).indexOf('PK', begin, 'latin1');
  return { before: file.subarray(0, begin), part: file.subarray(begin, end), after: file.subarray(end) };
}

/** Reads every damaged file; some of them should be refused, and some not. */
async function readAll(
  targets: readonly Target[],
  read: (bytes: Uint8Array) => Iterable<SafeTensor> | Promise<Iterable<SafeTensor>>,
): Promise<void> {
  const counts = { read: 0, refused: 0 };
  const property = fc.asyncProperty(fc.constantFrom(...targets), changes, async ({ before, part, after }, damage) => {
    const bytes = Uint8Array.of(...before, ...damaged(part, damage), ...after);
    const started = performance.now();
    try {
      requireWhole(await read(bytes), bytes.length);
      counts.read += 1;
    } catch (error) {
      if (!(error instanceof GlobalPercError)) throw error;
      counts.refused += 1;
    }
    expect(performance.now() - started).toBeLessThan(PATIENCE);
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(0);
}

function requireWhole(tensors: Iterable<SafeTensor>, fileLength: number): void {
  const buffers = new Set<ArrayBufferLike>();
  for (const { dtype, dims, data } of tensors) {
    expect(data.byteLength).toBe(sizeOf(dims) * bytesPerElement(dtype));
    buffers.add(data.buffer);
  }
  const taken = Array.from(buffers).reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(taken).toBeLessThanOrEqual(2 * fileLength + FLOOR);
}

const torch = async (bytes: Uint8Array): Promise<Iterable<SafeTensor>> =>
  (await readTorchFile(inMemory(bytes), 'file')).values();

describe('damaged at random', () => {
  it('pickles', async () => {
    const pickles = jsonAt<{ pickles: string[] }[]>('pickles.json').flatMap((entry) => entry.pickles);
    const targets = pickles.map((content) => whole(new Uint8Array(Buffer.from(content, 'base64'))));
    await readAll(targets, (bytes) => {
      unpickle(new ByteCursor(inMemory(bytes), 'file'));
      return [];
    });
  });

  it('zip files', () => readAll(['strides-zip.pt', 'classes-zip.pt', 'deflated.pt'].map(bytesAt).map(whole), torch));

  it('the pickle inside a zip file', () =>
    readAll(['strides-zip.pt', 'dtypes-zip.pt'].map(bytesAt).map(pickleIn), torch));

  it('files of the older format', () =>
    readAll(['strides-legacy.pt', 'dtypes-legacy.pt', 'classes-legacy.pt'].map(bytesAt).map(whole), torch));

  it('safetensors files', () =>
    readAll(['dtypes.safetensors', 'safetensors/model-00001-of-00002.safetensors'].map(bytesAt).map(whole), (bytes) =>
      parseSafetensors(bytes, 'file').tensors.values(),
    ));
});
