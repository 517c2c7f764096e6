/** Browsers: ONNX Runtime Web (an optional peer dependency), models by URL. */
import { GlobalPercError } from '../graph/index.js';
import { mappedWorker } from './mapped-worker.js';
import { Turns } from './turns.js';
import type { Build, Engine, Platform } from './types.js';
import { openBesideUrl, readUrl } from './url.js';
import { WorkerEngine } from './worker-engine.js';

const NEEDS_WEB_WORKER =
  "a page's main thread must not block: await the asynchronous calls, or move the training to a Web Worker";
const NEEDS_ISOLATION =
  'the page has no shared memory: serve it with the headers Cross-Origin-Opener-Policy: same-origin and ' +
  'Cross-Origin-Embedder-Policy: require-corp';

/** What runs a build of ONNX Runtime Web. Bundlers follow the address of a worker and the name of a module that stand here as they are. */
const BUILDS = {
  cpu: {
    module: 'onnxruntime-web/wasm',
    file: 'web-worker.mjs',
    load: () => import('onnxruntime-web/wasm'),
    work: () => new Worker(new URL('./web-worker.mjs', import.meta.url), { type: 'module' }),
  },
  webgpu: {
    module: 'onnxruntime-web/webgpu',
    file: 'web-worker-webgpu.mjs',
    load: () => import('onnxruntime-web/webgpu'),
    work: () => new Worker(new URL('./web-worker-webgpu.mjs', import.meta.url), { type: 'module' }),
  },
} satisfies Readonly<Record<Build, object>>;

/** Sessions run in a worker, so that the page stays responsive; where a bundler did not follow its URL, in this thread. */
function startEngine(build: Build): Promise<Engine> {
  return workerEngine(build).catch((error: Error) => {
    const reason = `its worker (globalperc/dist/runtime/${BUILDS[build].file}) did not start: ${error.message}`;
    console.warn(`globalperc: ${reason}. ONNX Runtime computes in this thread, and blocks it meanwhile`);
    return ownEngine(build, reason);
  });
}

async function workerEngine(build: Build): Promise<Engine> {
  const { module, file, work } = BUILDS[build];
  const worker = await loaded(work, file).catch((error) =>
    loaded(() => mappedWorker(module), file).catch(() => {
      throw error;
    }),
  );
  const engine = new WorkerEngine(
    { post: (request, moved) => worker.postMessage(request, moved), keepAlive: () => {}, runs: () => true },
    typeof document !== 'undefined' ? NEEDS_WEB_WORKER : globalThis.crossOriginIsolated ? undefined : NEEDS_ISOLATION,
  );
  worker.onmessage = ({ data }) => engine.receive(data);
  worker.onerror = ({ message }) => engine.fail(new Error(message));
  return engine;
}

/** A worker that has said that it is there. */
async function loaded(start: () => Worker, file: string): Promise<Worker> {
  const worker = start();
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = ({ message }) => {
      worker.terminate();
      reject(new Error(message || notFound(file)));
    };
  });
  return worker;
}

/** A browser does not say what it did not find: the file beside this script. */
const notFound = (file: string): string =>
  `not found at ${import.meta.url.replace(/[^/]*$/, file)}: bundle it to there ` +
  '(https://github.com/globalperc/globalperc/blob/main/docs/bundlers.md)';

async function ownEngine(build: Build, cannotBlock: string): Promise<Engine> {
  const ort = await BUILDS[build].load().catch(async (cause) => {
    const { peerError } = await import('../peers/index.js');
    throw peerError('onnxruntime-web', cause);
  });
  const { WebSessionHost } = await import('./web-host.mjs');
  const host = new WebSessionHost(ort);
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
  readModel: readUrl,
  requireUnchanged: () => undefined,
  openBeside: (source, location) => openBesideUrl(new URL(source, globalThis.location?.href), location),
  writeBytes: noFiles,
  refuseOverwriting: async () => undefined,
  writeSnapshot: noFiles,
  readSnapshot: noFiles,
  threads: globalThis.navigator?.hardwareConcurrency ?? 1,
  // What 32-bit WebAssembly can address; what of it is free nobody tells.
  memory: { total: 2 ** 32, free: () => 2 ** 32 },
  contents: undefined,
  makeFolder: noFiles,
  store: () => undefined,
};
