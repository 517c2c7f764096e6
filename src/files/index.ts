/** Files and checkpoints on disk, each there whole or not at all. */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GlobalPercError } from '../graph/index.js';

/** `checkpoint-00000120`, and `checkpoint-00000120-1` for a second one of the same step. */
const NAME = /^checkpoint-(\d+)(?:-(\d+))?$/;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder; name a file',
  ENOSPC: 'the disk is full; free some space and try again',
  EACCES: 'permission denied',
  EROFS: 'the disk is read-only',
};

/** Why a file could not be read or written, for a message. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code && REASONS[code]) ?? message;
}

/** The bytes of a file. @throws GlobalPercError when it is missing or cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`);
  });
}

/** Sets the temporary files of one process apart. */
let written = 0;

/**
 * Writes a file whole or not at all, even when the power fails: beside its place first, to the disk, then renamed.
 * @throws GlobalPercError when the disk is full, the folder is missing, or the file cannot be written otherwise.
 */
export async function writeAtomically(path: string, content: Uint8Array | string): Promise<void> {
  written += 1;
  const temporary = `${path}.${process.pid}.${written}.tmp`;
  try {
    await writeToDisk(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    // What cannot be removed was hardly written; the first error says why.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new GlobalPercError(`cannot write '${path}': ${writeReason(error, path)}`);
  }
}

function writeReason(error: unknown, path: string): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `there is no folder '${dirname(path)}'; create it first`;
  return code === 'ENOTDIR' ? `'${dirname(path)}' is not a folder` : reasonOf(error);
}

async function writeToDisk(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes what was written survive a loss of power. */
async function sync(path: string): Promise<void> {
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
  const names = (await readdir(folder)).filter((name) => NAME.test(name));
  return names.sort((a, b) => {
    const [first, second] = [numbers(a), numbers(b)];
    return (first[0] as number) - (second[0] as number) || (first[1] as number) - (second[1] as number);
  });
}

/**
 * Writes files as one checkpoint, then removes the older ones. A kill at any moment leaves the last whole one.
 * @throws GlobalPercError when the folder cannot be written or the disk is full; then the older ones are still there.
 */
export async function writeSnapshot(
  folder: string,
  step: number,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  const temporary = join(folder, `.unfinished-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    for (const [name, bytes] of Object.entries(files)) await writeToDisk(join(temporary, name), bytes);
    await sync(temporary);
    const older = await checkpointsIn(folder);
    await rename(temporary, join(folder, freeName(step, older)));
    await sync(folder);
    for (const name of older) await rm(join(folder, name), { recursive: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw new GlobalPercError(`cannot write a checkpoint to '${folder}': ${folderReason(error)}`);
  }
}

function freeName(step: number, taken: readonly string[]): string {
  const base = `checkpoint-${String(step).padStart(8, '0')}`;
  let name = base;
  for (let i = 1; taken.includes(name); i += 1) name = `${base}-${i}`;
  return name;
}

/** The files of the last whole checkpoint. @throws GlobalPercError when there is none. */
export async function readSnapshot(folder: string): Promise<Record<string, Uint8Array>> {
  const names = await checkpointsIn(folder).catch((error: unknown) => {
    throw new GlobalPercError(`cannot read checkpoints from '${folder}': ${folderReason(error)}`);
  });
  const last = names.at(-1);
  if (last === undefined) throw new GlobalPercError(`'${folder}' holds no checkpoint`);
  const files = await readdir(join(folder, last));
  const contents = await Promise.all(files.map((file) => readFile(join(folder, last, file))));
  return Object.fromEntries(files.map((file, i) => [file, contents[i] as Uint8Array]));
}

function folderReason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such folder';
  return code === 'ENOTDIR' || code === 'EEXIST' ? 'it is not a folder' : reasonOf(error);
}
