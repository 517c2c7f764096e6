/** Node: ONNX Runtime in a worker thread, models from the file system. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { GlobalPercError } from '../graph/index.js';
import type { Engine, Platform, WorkerRequest } from './types.js';

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Forwards the methods of an engine to the worker. The worker keeps the process alive only while a call is pending. */
function workerEngine(): Engine {
  const worker = new Worker(new URL('./node-worker.mjs', import.meta.url));
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
    release: (ids) => call('release', ids),
    dispose: (session) => call('dispose', session),
  };
}

async function readBytes(source: string): Promise<Uint8Array> {
  try {
    return await readFile(source.startsWith('file:') ? fileURLToPath(source) : source);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : (error as Error).message;
    throw new GlobalPercError(`cannot read '${source}': ${reason}`);
  }
}

export const platform: Platform = {
  startEngine: async () => workerEngine(),
  readBytes,
  beside: (source, location) => resolve(dirname(source.startsWith('file:') ? fileURLToPath(source) : source), location),
  threads: availableParallelism(),
};
