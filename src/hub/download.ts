/** Node: one file from a server into its place: continued where it broke off, checked, and there whole or not at all. */
import type { Hash } from 'node:crypto';
import { constants, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { sizeOf } from './cache.js';
import { type Connection, get, retry } from './connection.js';
import { TemporaryError } from './errors.js';
import { claimPartial, releasePartial, removePartials } from './partial.js';

/** Bytes that are progress: fewer, and a broken connection counts as one more failure in a row. */
const PROGRESS = 2 ** 20;

/** A file that is told from a damaged one by its checksum. */
export interface RemoteFile {
  /** What messages call it. */
  readonly name: string;
  /** In bytes; absent where the server alone knows. */
  readonly size?: number;
  newHash(): Hash;
  /** @param digest in hexadecimal. */
  isRight(digest: string): boolean;
}

/** What to download, and where to. */
export interface Download {
  readonly connection: Connection;
  readonly file: RemoteFile;
  readonly url: string;
  /** Where it is put; in a folder that is there. */
  readonly path: string;
  /** Called with the bytes of the file that are there, and how many it has, once that is known. */
  readonly onLoaded: (loaded: number, size: number | undefined) => void;
}

/**
 * Downloads a file, unless it is there in the size it should have.
 * @throws GlobalPercError when the server refuses, the bytes come damaged or not at all after several tries, or the disk
 * is full. What has come in order is kept, and continued by the next call.
 */
export async function downloadFile(download: Download): Promise<void> {
  const { connection, path, file } = download;
  if (file.size !== undefined && (await sizeOf(path)) === file.size) return download.onLoaded(file.size, file.size);
  const partial = await claimPartial(path);
  const reached = { most: (await sizeOf(partial)) ?? 0 };
  try {
    await retry(connection, () => attempt(download, partial, reached));
    await moveIntoPlace(partial, download);
  } catch (error) {
    await releasePartial(partial, path);
    throw error;
  }
  await removePartials(path);
}

async function moveIntoPlace(partial: string, { path }: Download): Promise<void> {
  try {
    await rename(partial, path);
  } catch (error) {
    // Windows replaces no file that is open: another process was faster.
    if ((await sizeOf(path)) !== (await sizeOf(partial)))
      throw new GlobalPercError(`cannot write '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
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
    onLoaded(target.position, file.size);
    await receive(download, target).catch((error: unknown) => {
      const madeProgress = target.position - reached.most >= PROGRESS;
      reached.most = Math.max(reached.most, target.position);
      throw error instanceof TemporaryError && madeProgress
        ? new TemporaryError(error.message, true, error.cause)
        : error;
    });
    if (!file.isRight(target.hash.digest('hex'))) await discard(download, target, 'its checksum is wrong');
    await handle.sync().catch(unwritable(partial));
  } finally {
    await handle.close();
  }
}

async function openTarget(handle: FileHandle, path: string, file: RemoteFile): Promise<Target> {
  const target: Target = { handle, path, hash: file.newHash(), position: 0 };
  if (file.size !== undefined && (await handle.stat()).size > file.size) await handle.truncate(0);
  for await (const chunk of handle.createReadStream({ autoClose: false, start: 0 })) {
    target.hash.update(chunk);
    target.position += chunk.length;
  }
  return target;
}

/** Whether all has come already. */
const isWhole = ({ file }: Download, { position, hash }: Target): boolean =>
  file.size === undefined ? file.isRight(hash.copy().digest('hex')) : position === file.size;

async function receive(download: Download, target: Target): Promise<void> {
  const { connection, file, url } = download;
  const start = target.position;
  if (isWhole(download, target)) return;
  let { size } = file;
  await get(connection, url, start > 0 ? { range: `bytes=${start}-` } : {}, async (response, body) => {
    if (response.status === 416) await discard(download, target, 'the server has less of it than it lists');
    if (!continuesAt(response, start)) await restart(target, file);
    size ??= sizeIn(response);
    for await (const part of body) {
      if (size !== undefined && target.position + part.length > size)
        await discard(download, target, 'it is longer than listed');
      await append(target, part);
      download.onLoaded(target.position, size);
    }
  });
  if (size !== undefined && target.position < size) {
    throw new TemporaryError(`${file.name} ended at byte ${target.position} of ${size}; try again later`);
  }
}

/** Whether an answer starts where the file ends; not every server heeds a range. */
const continuesAt = ({ status, headers }: Response, position: number): boolean =>
  position === 0 ||
  (status === 206 && Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]) === position);

/** The bytes of the whole file, as the server tells. */
function sizeIn({ headers }: Response): number | undefined {
  const size = headers.get('content-range')?.split('/')[1] ?? headers.get('content-length');
  const isPlain = /^(identity)?$/.test(headers.get('content-encoding') ?? '');
  return isPlain && /^\d+$/.test(size ?? '') ? Number(size) : undefined;
}

async function restart(target: Target, file: RemoteFile): Promise<void> {
  await target.handle.truncate(0).catch(unwritable(target.path));
  target.position = 0;
  target.hash = file.newHash();
}

/** Drops what has come: the next attempt starts from nothing. */
async function discard(download: Download, target: Target, why: string): Promise<never> {
  await restart(target, download.file);
  throw new TemporaryError(`${download.file.name} arrived damaged: ${why}; it was removed, try again later`);
}

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
