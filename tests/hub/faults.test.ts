/** What breaks on the way is noticed, continued or fetched again, and never stays in the cache. */
import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { fetchHubModel } from '../../src/hub/node.js';
import { put } from '../data/images.js';
import { COMMIT, content, filesBelow, MODEL, REPO, repoOf, text, useHub } from './hub.js';
import { type Fault, gitHash, sha256 } from './server.js';

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => undefined) }));
vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  return { ...actual, open: vi.fn(actual.open) };
});

const place = useHub();
const BLOB = sha256(MODEL);
const HALF = MODEL.length / 2;

beforeEach(() => {
  vi.mocked(pause).mockClear();
  place.hub.repos[REPO] = repoOf({ 'model.onnx': MODEL });
});

const blobs = (): string[] => filesBelow(join(place.cache, 'blobs'));
const partial = (): string => join(place.cache, 'blobs', `${BLOB}.incomplete`);
const ranges = (): (string | undefined)[] => place.hub.requests('/storage/').map(({ range }) => range);

async function expectWhole(): Promise<void> {
  const { source } = await fetchHubModel(REPO);
  expect(readFileSync(source).equals(MODEL)).toBe(true);
  expect(blobs()).toEqual([BLOB]);
}

async function expectRefused(message: string | RegExp): Promise<void> {
  const fetched = fetchHubModel(REPO);
  await expect(fetched).rejects.toThrow(GlobalPercError);
  await expect(fetched).rejects.toThrow(message);
}

describe('a fault that passes', () => {
  const rest = `bytes=${HALF}-`;
  it.each<[string, Omit<Fault, 'on'>, (string | undefined)[]]>([
    ['the connection is cut: continued', { kind: 'cut', times: 1 }, [undefined, rest]],
    ['cut twice: continued twice', { kind: 'cut', times: 2 }, [undefined, rest, `bytes=${HALF * 1.5}-`]],
    ['the body ends early in good order: continued', { kind: 'truncate', times: 1 }, [undefined, rest]],
    ['a byte is wrong: fetched again', { kind: 'corrupt', times: 1 }, [undefined, undefined]],
    ['the body is too long: fetched again', { kind: 'lengthen', times: 1 }, [undefined, undefined]],
    [
      'a busy server: asked again',
      { kind: 'status', status: 503, times: 3 },
      [undefined, undefined, undefined, undefined],
    ],
    ['too many requests: asked again', { kind: 'status', status: 429, times: 1 }, [undefined, undefined]],
  ])('%s', async (_, fault, expected) => {
    place.hub.faults.push({ ...fault, on: '/storage/' });
    await expectWhole();
    expect(ranges()).toEqual(expected);
  });

  it('a connection that falls silent is given up and continued', async () => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.2');
    place.hub.faults.push({ on: '/storage/', kind: 'stall', times: 1 });
    await expectWhole();
    expect(ranges()).toEqual([undefined, rest]);
  });

  it('a slow connection is not given up while something comes', async () => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.3');
    place.hub.faults.push({ on: '/storage/', kind: 'slow' });
    await expectWhole();
    expect(ranges()).toEqual([undefined]);
  });

  it('a small file is checked by its git hash', async () => {
    const files = { 'model.onnx': text('a small model') };
    place.hub.repos[REPO] = repoOf(files);
    place.hub.faults.push({ on: '/resolve/', kind: 'corrupt', times: 1 });
    const { source } = await fetchHubModel(REPO);
    expect(readFileSync(source, 'utf8')).toBe('a small model');
    expect(blobs()).toEqual([gitHash(files['model.onnx'])]);
  });

  it.each(['/revision/', '/tree/'])('of the list of files: %s', async (on) => {
    place.hub.faults.push({ on, kind: 'status', status: 500, times: 2 });
    await expectWhole();
  });

  it('waits longer each time', async () => {
    place.hub.faults.push({ on: '/storage/', kind: 'status', status: 500, times: 4 });
    await expectWhole();
    expect(vi.mocked(pause).mock.calls.map(([milliseconds]) => milliseconds)).toEqual([1000, 2000, 4000, 8000]);
  });

  it('a line that breaks often, but carries something each time, gets there', async () => {
    const large = content(8 * 2 ** 20);
    place.hub.repos[REPO] = repoOf({ 'model.onnx': large });
    place.hub.faults.push({ on: '/storage/', kind: 'cut', after: 2 ** 20, times: 7 });
    const { source } = await fetchHubModel(REPO);
    expect(readFileSync(source).equals(large)).toBe(true);
    expect(ranges().length).toBeGreaterThan(5);
  });
});

describe('a fault that stays', () => {
  it.each<[string, Omit<Fault, 'on'>, RegExp, number]>([
    [
      'wrong bytes',
      { kind: 'corrupt' },
      /^'model.onnx' of 'owner\/name' arrived damaged: its checksum is wrong; it was removed, try again later$/,
      5,
    ],
    ['too many bytes', { kind: 'lengthen' }, /arrived damaged: it is longer than listed/, 5],
    [
      'no bytes',
      { kind: 'truncate', after: 0 },
      /^'model.onnx' of 'owner\/name' ended at byte 0 of 300000; try again later$/,
      5,
    ],
    ['a broken server', { kind: 'status', status: 500 }, /answered HTTP 500 for 'owner\/name'; try again later/, 5],
    ['no such file any more', { kind: 'status', status: 410 }, /answered HTTP 410 for 'owner\/name'/, 1],
  ])('%s: one error after some tries, and nothing in the cache', async (_, fault, message, tries) => {
    place.hub.faults.push({ ...fault, on: '/storage/' });
    const fetched = fetchHubModel(REPO);
    await expect(fetched).rejects.toThrow(GlobalPercError);
    await expect(fetched).rejects.toThrow(message);
    expect(ranges().length).toBe(tries);
    expect(blobs()).toEqual([]);
    expect(existsSync(join(place.cache, 'snapshots', COMMIT))).toBe(false);
    expect(existsSync(join(place.cache, 'refs'))).toBe(false);
  });

  it('a line that breaks after a few bytes ends too, and leaves them for the next time', async () => {
    place.hub.faults.push({ on: '/storage/', kind: 'cut', after: 1000 });
    await expectRefused(/^lost the connection to http:.* \(.+\): check the connection and try again$/);
    expect(readFileSync(partial()).equals(MODEL.subarray(0, 5000))).toBe(true);
    place.hub.reset();
    place.hub.repos[REPO] = repoOf({ 'model.onnx': MODEL });
    await expectWhole();
    expect(ranges()).toEqual(['bytes=5000-']);
  });

  it('silence', async () => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.1');
    place.hub.faults.push({ on: '/storage/', kind: 'stall', after: 0 });
    await expectRefused(/sent nothing for 0.1 s; check the connection and try again/);
  });

  it('silence instead of the list of files', async () => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.1');
    place.hub.repos[REPO] = repoOf({ 'preprocessor_config.json': text('{}'), 'model.onnx': MODEL });
    place.hub.faults.push({ on: '/resolve/', kind: 'stall', after: 0 });
    await expectRefused(/sent nothing for 0.1 s/);
  });
});

describe('what an earlier download left', () => {
  it('is continued', async () => {
    await put(partial(), MODEL.subarray(0, 1234));
    const seen: number[] = [];
    await fetchHubModel(REPO, { onProgress: ({ loaded }) => seen.push(loaded) });
    expect(ranges()).toEqual(['bytes=1234-']);
    expect(seen[0]).toBe(1234);
    await expectWhole();
  });

  it('is used as it is when nothing is missing', async () => {
    await put(partial(), MODEL);
    await expectWhole();
    expect(ranges()).toEqual([]);
  });

  it.each([
    ['wrong bytes', content(1234, 5), ['bytes=1234-', undefined]],
    ['wrong bytes in full', content(MODEL.length, 5), [undefined]],
    ['too many bytes', content(MODEL.length + 1), [undefined]],
  ])('is fetched again from the start when it is broken: %s', async (_, left, expected) => {
    await put(partial(), left);
    await expectWhole();
    expect(ranges()).toEqual(expected);
  });

  it('is replaced when the server does not heed the range', async () => {
    await put(partial(), content(1234, 5));
    place.hub.faults.push({ on: '/storage/', kind: 'ignore range' });
    await expectWhole();
    expect(ranges()).toEqual(['bytes=1234-']);
  });

  it('is dropped when the server has less than that', async () => {
    await put(partial(), MODEL.subarray(0, 1234));
    place.hub.faults.push({ on: '/storage/', kind: 'status', status: 416, times: 1 });
    await expectWhole();
    expect(ranges()).toEqual(['bytes=1234-', undefined]);
  });
});

describe('the disk', () => {
  /** Lets a partial file take so many bytes with one write, and so many in all. */
  function limitWrites(each: number, all: number): void {
    const real = vi.mocked(open).getMockImplementation() as typeof open;
    vi.mocked(open).mockImplementation(async (...args) => {
      const handle: FileHandle = await real(...args);
      if (!String(args[0]).endsWith('.incomplete')) return handle;
      const write = handle.write.bind(handle) as (...given: unknown[]) => Promise<{ bytesWritten: number }>;
      handle.write = (async (buffer: Uint8Array, offset: number, length: number, position: number) => {
        const free = Math.min(each, all - position);
        if (free <= 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        return write(buffer, offset, Math.min(length, free), position);
      }) as never;
      return handle;
    });
  }

  it('takes a part of what is written at a time', async () => {
    limitWrites(1000, MODEL.length);
    await expectWhole().finally(() => vi.mocked(open).mockReset());
    expect(ranges()).toEqual([undefined]);
  });

  it('full: one error, and what fitted is continued when there is space', async () => {
    limitWrites(MODEL.length, 1234);
    const refused = expectRefused(/cannot write '.*': the disk is full; free some space and try again/);
    await refused.finally(() => vi.mocked(open).mockReset());
    expect(ranges().length).toBe(1);
    expect(readFileSync(partial()).equals(MODEL.subarray(0, 1234))).toBe(true);
    await expectWhole();
    expect(ranges().at(-1)).toBe('bytes=1234-');
  });

  it('no folder', async () => {
    await put(place.home, 'a file');
    await expectRefused(/cannot create the folder '.*blobs': .*; HF_HOME names another place for the cache/);
  });
});

it('an error of onProgress is not taken for one of the connection', async () => {
  const error = new Error('mine');
  const onProgress = (): never => {
    throw error;
  };
  await expect(fetchHubModel(REPO, { onProgress })).rejects.toBe(error);
  expect(pause).not.toHaveBeenCalled();
});

describe('a signal', () => {
  it('stops before anything is asked', async () => {
    await expect(fetchHubModel(REPO, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
    expect(place.hub.log).toEqual([]);
  });

  it('stops a download with its reason, at once, and keeps what has come', async () => {
    place.hub.faults.push({ on: '/storage/', kind: 'stall' });
    const control = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ loaded }: { loaded: number }): void => {
      if (loaded === HALF) control.abort(reason);
    };
    await expect(fetchHubModel(REPO, { signal: control.signal, onProgress })).rejects.toBe(reason);
    expect(ranges().length).toBe(1);
    place.hub.faults.length = 0;
    await expectWhole();
    expect(ranges()[1]).toBe(`bytes=${HALF}-`);
  });
});
