/** Files are written whole or not at all. */
import { readdirSync, readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { writeAtomically } from '../../src/files/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { put, temporaryFolder } from '../data/images.js';

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  return { ...actual, open: vi.fn(actual.open) };
});

const root = temporaryFolder();
let folder = root;
beforeEach(async ({ task }) => {
  folder = join(root, task.id);
  await put(join(folder, 'old.txt'), 'before');
});

it('text and bytes, and nothing beside them', async () => {
  await writeAtomically(join(folder, 'old.txt'), 'after');
  await writeAtomically(join(folder, 'bytes'), Uint8Array.of(1, 2));
  expect(readFileSync(join(folder, 'old.txt'), 'utf8')).toBe('after');
  expect([...readFileSync(join(folder, 'bytes'))]).toEqual([1, 2]);
  expect(readdirSync(folder).toSorted()).toEqual(['bytes', 'old.txt']);
});

it('many at once to one place leave one of them', async () => {
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(1000));
  await Promise.all(texts.map((text) => writeAtomically(join(folder, 'old.txt'), text)));
  expect(texts).toContain(readFileSync(join(folder, 'old.txt'), 'utf8'));
  expect(readdirSync(folder)).toEqual(['old.txt']);
});

it('what a killed process has left is removed, what others may be writing is not', async () => {
  const dead = `.unfinished-2000000000-${hostname()}-0-1`;
  const others = [`.unfinished-2000000000-other.host-0-1`, `.unfinished-${process.ppid}-${hostname()}-0-7`, '.letter'];
  for (const name of [dead, ...others]) await put(join(folder, name), 'half');
  await writeAtomically(join(folder, 'new.txt'), 'whole');
  expect(readdirSync(folder).toSorted()).toEqual([...others, 'new.txt', 'old.txt'].toSorted());
});

it('is on the disk before it takes its place', async () => {
  const order: string[] = [];
  const real = vi.mocked(open).getMockImplementation() as typeof open;
  vi.mocked(open).mockImplementationOnce(async (...args) => {
    const handle = await real(...args);
    const watched = (name: 'sync' | 'close' | 'writeFile') => {
      const call = handle[name].bind(handle) as () => Promise<void>;
      handle[name] = ((...given: []) => {
        order.push(`${name} ${readFileSync(join(folder, 'old.txt'), 'utf8')}`);
        return call(...given);
      }) as never;
    };
    for (const name of ['writeFile', 'sync', 'close'] as const) watched(name);
    return handle;
  });
  await writeAtomically(join(folder, 'old.txt'), 'after');
  expect(order).toEqual(['writeFile before', 'sync before', 'close before']);
});

describe('what cannot be written', () => {
  const refused = async (path: string, message: RegExp) => {
    const write = writeAtomically(path, 'text');
    await expect(write).rejects.toThrow(GlobalPercError);
    await expect(write).rejects.toThrow(message);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  };

  it('for want of a folder', () =>
    refused(join(folder, 'no', 'file'), /cannot write '.*file': there is no folder '.*no'/));

  it('below a file', () => refused(join(folder, 'old.txt', 'file'), /'.*old\.txt' is not a folder/));

  it('in place of a folder', () => refused(folder, /: it is a folder; name a file/));

  it('on a full disk, where the old file stays', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const handle = { writeFile: () => Promise.reject(full), close: async () => undefined };
    vi.mocked(open).mockResolvedValueOnce(handle as unknown as FileHandle);
    await refused(join(folder, 'old.txt'), /: the disk is full; free some space/);
    expect(readFileSync(join(folder, 'old.txt'), 'utf8')).toBe('before');
  });
});
