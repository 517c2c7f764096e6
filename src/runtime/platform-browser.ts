/** Browsers: ONNX Runtime Web (an optional peer dependency), models by URL. */
import { GlobalPercError } from '../graph/index.js';
import { SessionHost } from './session-host.mjs';
import { Turns } from './turns.js';
import type { Build, Engine, Platform } from './types.js';
import { openBesideUrl, readUrl } from './url.js';
import { WorkerEngine } from './worker-engine.js';

const NEEDS_WEB_WORKER =
  "a page's main thread must not block: await the asynchronous calls, or move the training to a Web Worker";
const NEEDS_ISOLATION =
  'the page has no shared memory: serve it with the headers Cross-Origin-Opener-Policy: same-origin and ' +
  'Cross-Origin-Embedder-Policy: require-corp';

/** Each worker by an address of its own, and each build by its name, as bundlers follow them. */
const WORKERS: Readonly<Record<Build, () => Worker>> = {
  cpu: () => new Worker(new URL('./web-worker.mjs', import.meta.url), { type: 'module' }),
  webgpu: () => new Worker(new URL('./web-worker-webgpu.mjs', import.meta.url), { type: 'module' }),
};
const RUNTIMES = {
  cpu: () => import('onnxruntime-web/wasm'),
  webgpu: () => import('onnxruntime-web/webgpu'),
} satisfies Readonly<Record<Build, () => Promise<unknown>>>;

/** Sessions run in a worker, so that the page stays responsive; where a bundler did not follow its URL, in this thread. */
function startEngine(build: Build): Promise<Engine> {
  return workerEngine(build).catch((error: Error) => ownEngine(build, error.message));
}

async function workerEngine(build: Build): Promise<Engine> {
  const worker = WORKERS[build]();
  await new Promise((loaded, failed) => {
    worker.onmessage = loaded;
    worker.onerror = ({ message }) =>
      failed(new Error(`its worker (globalperc/dist/runtime/web-worker.mjs) did not start: ${message || 'not found'}`));
  });
  const engine = new WorkerEngine(
    { post: (request) => worker.postMessage(request), keepAlive: () => {}, runs: () => true },
    typeof document !== 'undefined' ? NEEDS_WEB_WORKER : globalThis.crossOriginIsolated ? undefined : NEEDS_ISOLATION,
  );
  worker.onmessage = ({ data }) => engine.receive(data);
  worker.onerror = ({ message }) => engine.fail(new Error(message));
  return engine;
}

async function ownEngine(build: Build, cannotBlock: string): Promise<Engine> {
  const ort = await RUNTIMES[build]().catch((cause) => {
    const message = "globalperc needs 'onnxruntime-web' in a browser: npm install onnxruntime-web";
    throw new GlobalPercError(message, { code: 'runtime', cause });
  });
  const host = new SessionHost(ort, { writesInto: false });
  const turns = new Turns();
  return {
    cannotBlock,
    ask: ({ method, argument }) => turns.take<unknown>(async () => host[method](argument as never)),
  };
}

/** A page has no folders; it keeps the bytes itself. */
async function noFiles(): Promise<never> {
  throw new GlobalPercError(
    'a browser has no files: take the bytes from trainer.checkpoint() or toOnnx() and store them',
    { code: 'io' },
  );
}

export const platform: Platform = {
  builds: ['cpu', 'webgpu'],
  startEngine,
  exists: async () => false,
  readBytes: readUrl,
  openBeside: (source, location) => openBesideUrl(new URL(source, globalThis.location?.href), location),
  writeBytes: noFiles,
  refuseOverwriting: async () => undefined,
  writeSnapshot: noFiles,
  readSnapshot: noFiles,
  threads: globalThis.navigator?.hardwareConcurrency ?? 1,
};
