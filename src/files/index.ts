/** Files and checkpoints on disk, each there whole or not at all. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { access, constants, mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { type FilePlace, GlobalPercError } from '../graph/index.js';
import { string } from '../options/index.js';
import { stateOfStats } from './contents.js';

export { contents } from './contents.js';
export { refuseOverwriting, requireUnchanged } from './identity.js';
export { userCache, withHome } from './kept.js';
export { programStore } from './program-store.js';

/** `checkpoint-00000120`, and `checkpoint-00000120-1` for a second one of the same step. */
const NAME = /^checkpoint-(\d+)(?:-(\d+))?$/;

/** What is being written or removed: a checkpoint by the process with this id, a file by one on the machine of this name. */
const UNFINISHED = /^\.unfinished-(\d+)(?:-(.+)-\d+-\d+)?$/;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder; name a file',
  ENOTDIR: 'its path leads through a file',
  ENOSPC: 'the disk is full; free some space and try again',
  EDQUOT: 'your share of the disk is used up; free some space and try again',
  EFBIG: 'it would be larger than is allowed; raise the limit (ulimit -f) and try again',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the disk is read-only',
};

/** Why a file could not be read or written, for a message. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code && REASONS[code]) ?? message;
}

/** The bytes of a file. @throws GlobalPercError when it is missing or cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  string(path, 'the path to read');
  return readFile(path).catch((error: unknown) => {
    throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
  });
}

/** A file of any size, of which parts are read: those that are asked for, when they are. */
export interface OpenFile {
  readonly length: number;
  /** @throws GlobalPercError when the file has changed since it was opened, or become unreadable. */
  read(offset: number, length: number): Uint8Array;
}

/** An open file, and where ONNX Runtime finds it. */
export interface PlacedFile extends OpenFile {
  readonly place: Omit<FilePlace, 'offset'>;
}

/** Makes sure that a file can be read, now and later. @throws GlobalPercError when it is missing or cannot be read. */
export const openForReading = (path: string): Promise<OpenFile> => openInPlace(path);

/** As `openForReading`, with the place. */
export async function openInPlace(path: string): Promise<PlacedFile> {
  const failed = (error: unknown): never => {
    throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
  };
  const found = await stat(path, { bigint: true }).catch(failed);
  await access(path, constants.R_OK).catch(failed);
  // The hub's cache holds links; ONNX Runtime follows none that lead out of the folder.
  const real = await realpath(path).catch(failed);
  const state = stateOfStats(found);
  return {
    length: Number(found.size),
    place: { folder: dirname(real), location: basename(real), state },
    read(offset, length) {
      try {
        return readPart(path, state, offset, length);
      } catch (error) {
        return failed(error);
      }
    },
  };
}

function readPart(path: string, state: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const descriptor = openSync(path, 'r');
  try {
    if (stateOfStats(fstatSync(descriptor, { bigint: true })) !== state)
      throw new Error('it has changed since it was opened: load it again');
    let done = 0;
    while (done < length) {
      const count = readSync(descriptor, bytes, done, length - done, offset + done);
      if (count === 0) throw new Error(`it ends at byte ${offset + done}; it was longer before`);
      done += count;
    }
  } finally {
    closeSync(descriptor);
  }
  return bytes;
}

/** What a file is to hold: bytes, text, or parts that are made one after the other. */
export type Content = Uint8Array | string | Iterable<Uint8Array>;

/** Sets the temporary files of one process apart. */
let written = 0;

/** Folders from which has been removed what killed processes had left. */
const cleared = new Set<string>();

/**
 * Writes a file whole or not at all, even when the power fails: beside its place first, to the disk, then renamed. The first time in a
 * folder, what killed processes have left unfinished there is removed.
 * @throws GlobalPercError when the disk is full, the folder is missing, or the file cannot be written otherwise.
 */
export async function writeAtomically(path: string, content: Content): Promise<void> {
  string(path, 'the path to write');
  written += 1;
  const folder = dirname(path);
  const temporary = join(folder, `.unfinished-${process.pid}-${hostname()}-${threadId}-${written}`);
  try {
    await writeToDisk(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    // What cannot be removed was hardly written; the first error says why.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new GlobalPercError(`cannot write '${path}': ${writeReason(error, path)}`, { code: 'io', cause: error });
  }
  if (cleared.has(folder)) return;
  cleared.add(folder);
  await removeUnfinished(folder).catch(() => undefined);
}

/** Removes what processes that have ended were writing. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, id, host = hostname()] = UNFINISHED.exec(name) ?? [];
    if (id === undefined || host !== hostname() || isRunning(Number(id))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

function writeReason(error: unknown, path: string): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `there is no folder '${dirname(path)}'; create it first`;
  return code === 'ENOTDIR' ? `'${dirname(path)}' is not a folder` : reasonOf(error);
}

async function writeToDisk(path: string, content: Content): Promise<void> {
  const file = await open(path, 'w');
  try {
    const parts = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for (const part of parts) await file.writeFile(part);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a folder and those it lies in. @throws GlobalPercError when there is a file in its place, or it cannot be made. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw new GlobalPercError(`cannot make the folder '${path}': ${folderReason(error)}`, { code: 'io', cause: error });
  });
}

/** Makes the entries of a folder survive a loss of power. */
async function syncFolder(path: string): Promise<void> {
  // Windows keeps them by itself and refuses to sync a folder.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Names of the whole checkpoints in a folder, the oldest first. */
async function checkpointsIn(folder: string): Promise<string[]> {
  const numbers = (name: string): number[] => (NAME.exec(name) ?? []).slice(1).map((digits) => Number(digits ?? 0));
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory() && NAME.test(entry.name)).map(({ name }) => name);
  return names.sort((a, b) => {
    const [first, second] = [numbers(a), numbers(b)];
    return (first[0] as number) - (second[0] as number) || (first[1] as number) - (second[1] as number);
  });
}

/** The write under way: one at a time, so that none takes another's temporary folder or removes what it has written. */
let writing: Promise<unknown> = Promise.resolve();

/**
 * Writes files as one checkpoint, then removes the older ones, and what killed processes left unfinished. A kill at any
 * moment leaves a whole one. Calls that overlap write one after the other.
 * @throws GlobalPercError when the folder cannot be written or the disk is full; then the older ones are still there.
 */
export function writeSnapshot(
  folder: string,
  step: number,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  const result = writing.then(() => writeNext(folder, step, files));
  writing = result.catch(() => undefined);
  return result;
}

async function writeNext(folder: string, step: number, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const temporary = join(folder, `.unfinished-${process.pid}`);
  let older: readonly string[];
  try {
    await mkdir(folder, { recursive: true });
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    for (const [name, bytes] of Object.entries(files)) await writeToDisk(join(temporary, name), bytes);
    await syncFolder(temporary);
    older = await checkpointsIn(folder);
    await rename(temporary, join(folder, freeName(step, older)));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw new GlobalPercError(`cannot write a checkpoint to '${folder}': ${folderReason(error)}`, {
      code: 'io',
      cause: error,
    });
  }
  // The new one is safe: what cannot be removed now is tried again after the next.
  await clear(folder, older, temporary).catch(() => undefined);
}

/** Removes checkpoints. Each is renamed first, as one removed in part would still look like a whole one. */
async function clear(folder: string, names: readonly string[], temporary: string): Promise<void> {
  for (const name of names) {
    await rename(join(folder, name), temporary);
    await rm(temporary, { recursive: true });
  }
  await removeUnfinished(folder);
}

/** Whether a process of this id runs on this machine. */
export function isRunning(id: number): boolean {
  try {
    // Signal 0 is not sent: it only asks.
    return process.kill(id, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function freeName(step: number, taken: readonly string[]): string {
  const base = `checkpoint-${String(step).padStart(8, '0')}`;
  let name = base;
  for (let i = 1; taken.includes(name); i += 1) name = `${base}-${i}`;
  return name;
}

/** The files of the last whole checkpoint. @throws GlobalPercError when there is none, or it cannot be read. */
export async function readSnapshot(folder: string): Promise<Record<string, Uint8Array>> {
  const refused = (error: unknown): never => {
    throw new GlobalPercError(`cannot read checkpoints from '${folder}': ${folderReason(error)}`, {
      code: 'io',
      cause: error,
    });
  };
  const last = (await checkpointsIn(folder).catch(refused)).at(-1);
  if (last === undefined) throw new GlobalPercError(`'${folder}' holds no checkpoint`, { code: 'io' });
  const names = await readdir(join(folder, last)).catch(refused);
  const contents = await Promise.all(names.map((name) => readBytes(join(folder, last, name))));
  return Object.fromEntries(names.map((name, i) => [name, contents[i] as Uint8Array]));
}

function folderReason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such folder';
  return code === 'ENOTDIR' || code === 'EEXIST' ? 'it is not a folder' : reasonOf(error);
}
