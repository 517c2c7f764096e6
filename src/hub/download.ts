/** Node: one file of the hub into its blob: continued where it broke off, checked, and there whole or not at all. */
import { createHash, type Hash } from 'node:crypto';
import { constants, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { makeFolder, type RepoFile, sizeOf } from './cache.js';
import { type Connection, get, retry } from './connection.js';
import { TemporaryError } from './errors.js';
import { claimPartial, releasePartial, removePartials } from './partial.js';

/** Bytes that are progress: fewer, and a broken connection counts as one more failure in a row. */
const PROGRESS = 2 ** 20;

/** What to download, and where to. */
export interface Download {
  readonly connection: Connection;
  readonly file: RepoFile;
  readonly url: string;
  readonly blob: string;
  /** Called with the bytes of the file that are there. */
  readonly onLoaded: (loaded: number) => void;
}

/**
 * Downloads a blob, unless it is there.
 * @throws GlobalPercError when the server refuses, the bytes come damaged or not at all after several tries, or the disk
 * is full. What has come in order is kept, and continued by the next call.
 */
export async function downloadBlob(download: Download): Promise<void> {
  const { connection, blob, file } = download;
  if ((await sizeOf(blob)) === file.size) return download.onLoaded(file.size);
  await makeFolder(dirname(blob));
  const partial = await claimPartial(blob);
  const reached = { most: (await sizeOf(partial)) ?? 0 };
  try {
    await retry(connection, () => attempt(download, partial, reached));
    await moveIntoPlace(partial, download);
  } catch (error) {
    await releasePartial(partial, blob);
    throw error;
  }
  await removePartials(blob);
}

async function moveIntoPlace(partial: string, { blob, file }: Download): Promise<void> {
  try {
    await rename(partial, blob);
  } catch (error) {
    // Windows replaces no file that is open: another process was faster.
    if ((await sizeOf(blob)) !== file.size)
      throw new GlobalPercError(`cannot write '${blob}': ${reasonOf(error)}`, { code: 'io', cause: error });
    await rm(partial, { force: true });
  }
}

/** A partial file, open at its end. */
interface Target {
  readonly handle: FileHandle;
  readonly path: string;
  /** Of what is in the file. */
  hash: Hash;
  position: number;
}

/** @param reached The most bytes that any attempt has come to: what is fetched again is no progress. */
async function attempt(download: Download, partial: string, reached: { most: number }): Promise<void> {
  const { file, onLoaded } = download;
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT).catch(unwritable(partial));
  try {
    const target = await openTarget(handle, partial, file).catch(unwritable(partial));
    onLoaded(target.position);
    await receive(download, target).catch((error: unknown) => {
      const madeProgress = target.position - reached.most >= PROGRESS;
      reached.most = Math.max(reached.most, target.position);
      throw error instanceof TemporaryError && madeProgress
        ? new TemporaryError(error.message, true, error.cause)
        : error;
    });
    if (target.hash.digest('hex') !== file.etag) await discard(download, target, 'its checksum is wrong');
    await handle.sync().catch(unwritable(partial));
  } finally {
    await handle.close();
  }
}

async function openTarget(handle: FileHandle, path: string, file: RepoFile): Promise<Target> {
  const target: Target = { handle, path, hash: newHash(file), position: 0 };
  if ((await handle.stat()).size > file.size) await handle.truncate(0);
  for await (const chunk of handle.createReadStream({ autoClose: false, start: 0 })) {
    target.hash.update(chunk);
    target.position += chunk.length;
  }
  return target;
}

/** Git hashes a header before the content. */
const newHash = ({ etag, size }: RepoFile): Hash =>
  etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);

async function receive(download: Download, target: Target): Promise<void> {
  const { connection, file, url } = download;
  const start = target.position;
  if (start === file.size) return;
  await get(connection, url, start > 0 ? { range: `bytes=${start}-` } : {}, async (response, body) => {
    if (response.status === 416) await discard(download, target, 'the server has less of it than it lists');
    if (!continuesAt(response, start)) await restart(target, file);
    for await (const part of body) {
      if (target.position + part.length > file.size) await discard(download, target, 'it is longer than listed');
      await append(target, part);
      download.onLoaded(target.position);
    }
  });
  if (target.position < file.size) {
    throw new TemporaryError(`${named(download)} ended at byte ${target.position} of ${file.size}; try again later`);
  }
}

/** Whether an answer starts where the file ends; not every server heeds a range. */
const continuesAt = ({ status, headers }: Response, position: number): boolean =>
  position === 0 ||
  (status === 206 && Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]) === position);

async function restart(target: Target, file: RepoFile): Promise<void> {
  await target.handle.truncate(0).catch(unwritable(target.path));
  target.position = 0;
  target.hash = newHash(file);
}

/** Drops what has come: the next attempt starts from nothing. */
async function discard(download: Download, target: Target, why: string): Promise<never> {
  await restart(target, download.file);
  throw new TemporaryError(`${named(download)} arrived damaged: ${why}; it was removed, try again later`);
}

const named = ({ file, connection }: Download): string => `'${file.path}' of '${connection.repo}'`;

async function append(target: Target, bytes: Uint8Array): Promise<void> {
  target.hash.update(bytes);
  for (let done = 0; done < bytes.length; ) {
    const write = target.handle.write(bytes, done, bytes.length - done, target.position);
    const { bytesWritten } = await write.catch(unwritable(target.path));
    done += bytesWritten;
    target.position += bytesWritten;
  }
}

const unwritable =
  (path: string) =>
  (error: unknown): never => {
    throw new GlobalPercError(`cannot write '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
  };
