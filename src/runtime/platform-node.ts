/** Node: ONNX Runtime in a worker thread, models from the file system. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { openForReading, readBytes, readSnapshot, writeAtomically, writeSnapshot } from '../files/index.js';
import type { Engine, Platform, WorkerRequest } from './types.js';

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Forwards the methods of an engine to the worker. The worker keeps the process alive only while a call is pending. */
async function workerEngine(): Promise<Engine> {
  const worker = new Worker(new URL('./node-worker.mjs', import.meta.url));
  // A process that ends while the worker is still loading the runtime would wait for it for ever.
  await new Promise((loaded, failed) => {
    worker.once('message', loaded);
    worker.once('error', failed);
  });
  const pending = new Map<number, Pending>();
  let next = 0;
  worker.unref();
  const settle = (id: number): Pending | undefined => {
    const call = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) worker.unref();
    return call;
  };
  worker.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
    if (error === undefined) settle(id)?.resolve(result);
    else settle(id)?.reject(new Error(error));
  });
  worker.on('error', (error) => {
    for (const id of pending.keys()) settle(id)?.reject(error);
  });
  const call = <T>(method: WorkerRequest['method'], argument: unknown): Promise<T> =>
    new Promise<T>((resolveCall, reject) => {
      next += 1;
      pending.set(next, { resolve: resolveCall as (value: unknown) => void, reject });
      worker.ref();
      worker.postMessage({ id: next, method, argument } satisfies WorkerRequest);
    });
  return {
    create: (request) => call('create', request),
    run: (request) => call('run', request),
    upload: (tensors) => call('upload', tensors),
    download: (ids) => call('download', ids),
    release: (ids) => call('release', ids),
    dispose: (session) => call('dispose', session),
  };
}

/** A path, from a path or a file URL. */
const pathOf = (source: string): string => (source.startsWith('file:') ? fileURLToPath(source) : source);

export const platform: Platform = {
  startEngine: workerEngine,
  exists: async (source) => existsSync(pathOf(source)),
  readBytes: (source) => readBytes(pathOf(source)),
  openBeside: async (source, location) => {
    const path = resolve(dirname(pathOf(source)), location);
    const file = await openForReading(path);
    // The hub's cache holds links; ONNX Runtime follows none that lead out of the folder.
    const real = await realpath(path);
    return { ...file, place: { folder: dirname(real), location: basename(real) } };
  },
  writeBytes: writeAtomically,
  writeSnapshot,
  readSnapshot,
  threads: availableParallelism(),
};
