/** Browsers: ONNX Runtime Web (an optional peer dependency), models by URL. */
import { GlobalPercError } from '../graph/index.js';
import { fileInMemory } from '../onnx/index.js';
import { SessionHost } from './session-host.mjs';
import type { Engine, Platform } from './types.js';
import { WorkerEngine } from './worker-engine.js';

const NEEDS_WEB_WORKER =
  "a page's main thread must not block: await the asynchronous calls, or move the training to a Web Worker";
const NEEDS_ISOLATION =
  'the page has no shared memory: serve it with the headers Cross-Origin-Opener-Policy: same-origin and ' +
  'Cross-Origin-Embedder-Policy: require-corp';

/**
 * On a page the runtime moves its sessions to a worker of its own. Inside a worker that has shared memory they move to
 * another one, so that this one can block; without, they stay where they are.
 */
async function startEngine(): Promise<Engine> {
  if (typeof document !== 'undefined') return ownEngine({ proxy: true }, NEEDS_WEB_WORKER);
  if (!globalThis.crossOriginIsolated) return ownEngine({ proxy: false }, NEEDS_ISOLATION);
  return workerEngine().catch((error: Error) => ownEngine({ proxy: false }, error.message));
}

async function ownEngine({ proxy }: { readonly proxy: boolean }, cannotBlock: string): Promise<Engine> {
  const ort = await import('onnxruntime-web').catch(() => {
    throw new GlobalPercError("globalperc needs 'onnxruntime-web' in a browser: npm install onnxruntime-web");
  });
  ort.env.wasm.proxy = proxy;
  const host = new SessionHost(ort, { writesInto: false });
  return { ask: async ({ method, argument }) => host[method](argument as never), cannotBlock };
}

async function workerEngine(): Promise<Engine> {
  const worker = new Worker(new URL('./web-worker.mjs', import.meta.url), { type: 'module' });
  await new Promise((loaded, failed) => {
    worker.onmessage = loaded;
    worker.onerror = ({ message }) =>
      failed(new Error(`its worker (globalperc/dist/runtime/web-worker.mjs) did not start: ${message || 'not found'}`));
  });
  const engine = new WorkerEngine({ post: (request) => worker.postMessage(request), keepAlive: () => {} });
  worker.onmessage = ({ data }) => engine.receive(data);
  worker.onerror = ({ message }) => engine.fail(new Error(message));
  return engine;
}

async function readBytes(source: string): Promise<Uint8Array> {
  const response = await fetch(source).catch((error: Error) => {
    throw new GlobalPercError(`cannot fetch '${source}': ${error.message}`);
  });
  if (!response.ok) throw new GlobalPercError(`cannot fetch '${source}': HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A page has no folders; it keeps the bytes itself. */
async function noFiles(): Promise<never> {
  throw new GlobalPercError(
    'a browser has no files: take the bytes from trainer.checkpoint() or toOnnx() and store them',
  );
}

export const platform: Platform = {
  startEngine,
  exists: async () => false,
  readBytes,
  openBeside: async (source, location) =>
    fileInMemory(await readBytes(new URL(location, new URL(source, globalThis.location?.href)).href)),
  writeBytes: noFiles,
  writeSnapshot: noFiles,
  readSnapshot: noFiles,
  threads: globalThis.navigator?.hardwareConcurrency ?? 1,
};
