/** Checkpoint folders: whatever happens while one is written, a whole one is there. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readBytes, readSnapshot, writeSnapshot } from '../../src/files/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { put, temporaryFolder } from '../data/images.js';

const CALLS = ['mkdir', 'open', 'readdir', 'rename', 'rm'] as const;

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  const watched = ['mkdir', 'open', 'readdir', 'rename', 'rm'] as const;
  return { ...actual, ...Object.fromEntries(watched.map((name) => [name, vi.fn(actual[name] as () => unknown)])) };
});
type Call = (...given: unknown[]) => Promise<unknown>;
const real = await vi.importActual<typeof import('node:fs/promises')>('node:fs/promises');
const calls = { mkdir, open, readdir, rename, rm };
const mocked = (name: (typeof CALLS)[number]) => vi.mocked(calls[name] as unknown as Call);

const root = temporaryFolder();
let folder = root;
beforeEach(({ task }) => {
  folder = join(root, task.id);
});
afterEach(() => {
  for (const name of CALLS) mocked(name).mockImplementation(real[name] as unknown as Call);
});

const NAMES = ['model', 'optimizer', 'rest'];
const filesOf = (number: number) => Object.fromEntries(NAMES.map((name) => [name, Uint8Array.of(number)]));
const write = (step: number, number = step) => writeSnapshot(folder, step, filesOf(number));

/** What a folder holds, every file being that of the same checkpoint. */
async function numberIn(path = folder): Promise<number> {
  const files = Object.entries(await readSnapshot(path)).map(
    ([name, bytes]) => [name, Uint8Array.from(bytes)] as const,
  );
  const number = files[0]?.[1][0] as number;
  expect(Object.fromEntries(files)).toEqual(filesOf(number));
  return number;
}

describe('a checkpoint', () => {
  it('takes the place of the one before it', async () => {
    for (const step of [5, 10, 100_000_000]) {
      await write(step, step % 7);
      expect(await numberIn()).toBe(step % 7);
    }
    expect(readdirSync(folder)).toEqual(['checkpoint-100000000']);
  });

  it('of the same step does so too', async () => {
    for (const number of [1, 2, 3]) {
      await write(5, number);
      expect(await numberIn()).toBe(number);
      expect(readdirSync(folder)).toHaveLength(1);
    }
  });

  it('of an earlier step does so too, as a run that starts again writes it', async () => {
    await write(100);
    await write(5);
    expect(readdirSync(folder)).toEqual(['checkpoint-00000005']);
  });

  it('is written after those that were asked for earlier', async () => {
    await Promise.all([1, 2, 3].map((step) => write(step)));
    expect(readdirSync(folder)).toEqual(['checkpoint-00000003']);
    expect(await numberIn()).toBe(3);
  });

  it('is the newest by number, not by name', async () => {
    const put3 = (name: string, number: number) =>
      Promise.all(NAMES.map((file) => put(join(folder, name, file), Uint8Array.of(number))));
    await put3('checkpoint-99999999', 1);
    await put3('checkpoint-100000000', 2);
    await put3('checkpoint-100000000-2', 3);
    await put3('checkpoint-100000000-10', 4);
    await put3('checkpoint-best', 5);
    await put(join(folder, 'checkpoint-200000000'), 'a file');
    expect(await numberIn()).toBe(4);
  });
});

describe('what an earlier process left', () => {
  const DEAD = '.unfinished-2000000000';
  const leave = (name: string) => put(join(folder, name, 'model'), 'half');

  it('is not read, and removed after the next checkpoint', async () => {
    await write(1);
    await leave(DEAD);
    await leave(`.unfinished-${process.pid}`);
    expect(await numberIn()).toBe(1);
    await write(2);
    expect(readdirSync(folder)).toEqual(['checkpoint-00000002']);
    expect(await numberIn()).toBe(2);
  });

  it('stays while that process runs, as does what is no checkpoint', async () => {
    await leave(`.unfinished-${process.ppid}`);
    await put(join(folder, 'log.jsonl'), '');
    await write(1);
    expect(readdirSync(folder)).toEqual([`.unfinished-${process.ppid}`, 'checkpoint-00000001', 'log.jsonl']);
  });
});

describe('a process that ends while it writes', () => {
  /** Lets the calls before number `last` through; that one never returns. Resolves with its name, or undefined. */
  async function endAt(last: number, step: number): Promise<string | undefined> {
    let count = 0;
    const ended = new Promise<string>((resolve) => {
      for (const name of CALLS) {
        mocked(name).mockImplementation((...given) => {
          count += 1;
          if (count < last) return (real[name] as unknown as Call)(...given);
          // A folder is removed file by file.
          if (name === 'rm' && existsSync(String(given[0]))) rmSync(join(String(given[0]), 'model'), { force: true });
          resolve(name);
          return new Promise(() => undefined);
        });
      }
    });
    // Modules of its own: what hangs is to hang there alone.
    vi.resetModules();
    const files = await import('../../src/files/index.js');
    const result = await Promise.race([ended, files.writeSnapshot(folder, step, filesOf(step))]);
    for (const name of CALLS) mocked(name).mockImplementation(real[name] as unknown as Call);
    return result as string | undefined;
  }

  it.each([
    [1, 2],
    [2, 2],
    [2, 1],
  ])('after step %i, at step %i: either is whole, at every call', async (before, step) => {
    const seen = new Set<string>();
    for (let last = 1; ; last += 1) {
      rmSync(folder, { recursive: true, force: true });
      await writeSnapshot(folder, before, filesOf(10 + before));
      const name = await endAt(last, step);
      const number = await numberIn();
      expect([10 + before, step]).toContain(number);
      await writeSnapshot(folder, 3, filesOf(3));
      expect(readdirSync(folder)).toEqual(['checkpoint-00000003']);
      if (name === undefined) break;
      seen.add(name);
    }
    expect([...seen].toSorted()).toEqual([...CALLS]);
  });
});

describe('the older checkpoint', () => {
  it('goes only after the new one is there', async () => {
    await write(1);
    const found: string[][] = [];
    mocked('rm').mockImplementation((...given) => {
      found.push(readdirSync(folder).filter((name) => name.startsWith('checkpoint-')));
      return (real.rm as unknown as Call)(...given);
    });
    await write(2);
    expect(found).toEqual([['checkpoint-00000001'], ['checkpoint-00000002']]);
  });

  it('that cannot be removed does not make the new one fail', async () => {
    await write(1);
    mocked('rename').mockImplementation((from, to) =>
      String(from).endsWith('checkpoint-00000001')
        ? Promise.reject(Object.assign(new Error('EPERM'), { code: 'EPERM' }))
        : real.rename(String(from), String(to)),
    );
    await write(2);
    expect(await numberIn()).toBe(2);
    mocked('rename').mockImplementation(real.rename as unknown as Call);
    await write(3);
    expect(readdirSync(folder)).toEqual(['checkpoint-00000003']);
  });
});

describe('one clear error', () => {
  const refused = async (result: Promise<unknown>, message: RegExp) => {
    await expect(result).rejects.toThrow(GlobalPercError);
    await expect(result).rejects.toThrow(message);
  };

  it.each([
    ['mkdir', 'EACCES', /^cannot write a checkpoint to '.*': permission denied$/],
    ['mkdir', 'EROFS', /: the disk is read-only$/],
    ['open', 'ENOSPC', /: the disk is full; free some space and try again$/],
    ['rename', 'EPERM', /: permission denied$/],
  ] as const)('%s: %s; the older one stays, and the next is written', async (name, code, message) => {
    await write(1);
    mocked(name).mockImplementation(() => Promise.reject(Object.assign(new Error(code), { code })));
    await refused(write(2), message);
    expect(readdirSync(folder)).toEqual(['checkpoint-00000001']);
    mocked(name).mockImplementation(real[name] as unknown as Call);
    await write(3);
    expect(await numberIn()).toBe(3);
  });

  it('when the folder is a file', async () => {
    await put(folder, 'a file');
    await refused(write(1), /cannot write a checkpoint to '.*': it is not a folder$/);
    await refused(readSnapshot(folder), /cannot read checkpoints from '.*': it is not a folder$/);
  });

  it('when there is nothing to read', async () => {
    await refused(readSnapshot(folder), /cannot read checkpoints from '.*': there is no such folder$/);
    mkdirSync(folder);
    await refused(readSnapshot(folder), /' holds no checkpoint$/);
    mkdirSync(join(folder, 'checkpoint-00000001', 'model'), { recursive: true });
    await refused(readSnapshot(folder), /cannot read '.*model': it is a folder; name a file$/);
  });
});

describe('readBytes', () => {
  it('gives the bytes', async () => {
    expect([...(await readBytes(await put(folder, Uint8Array.of(1, 2))))]).toEqual([1, 2]);
  });

  it.each([
    ['missing', /^cannot read '.*missing': there is no such file$/],
    ['', /^cannot read '.*': it is a folder; name a file$/],
    ['file/below', /^cannot read '.*below': its path leads through a file$/],
  ])('refuses %j', async (name, message) => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'file'), '');
    await expect(readBytes(join(folder, name))).rejects.toThrow(GlobalPercError);
    await expect(readBytes(join(folder, name))).rejects.toThrow(message);
  });
});
