/** Node: ONNX Runtime in a worker thread, models from the file system or by URL. */
import { existsSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, type WorkerOptions } from 'node:worker_threads';
import {
  contents,
  makeFolder,
  openInPlace,
  programStore,
  readBytes,
  readSnapshot,
  refuseOverwriting,
  requireUnchanged,
  writeAtomically,
  writeSnapshot,
} from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { leavingWeights } from '../onnx/index.js';
import { peerError } from '../peers/index.js';
import { closeGate, openGate } from './native-gate.mjs';
import type { Engine, Platform } from './types.js';
import { openBesideUrl, readUrl } from './url.js';
import { WorkerEngine } from './worker-engine.js';

/**
 * The engine in a worker thread, which keeps the process alive only while an answer is awaited.
 * @param start starts the thread with the gate that it must be inside of while it runs native code
 * @throws GlobalPercError when the thread ends before it has said that it is ready
 */
export async function engineOf(start: (gate: Int32Array) => Worker): Promise<Engine> {
  const gate = openGate();
  const worker = start(gate);
  const engine = new WorkerEngine({
    post: (request, moved) => worker.postMessage(request, moved),
    keepAlive: (awaited) => (awaited ? worker.ref() : worker.unref()),
    runs: () => runs(worker),
  });
  // Hears of process.exit, uncaught errors and natural ends. Nobody hears of it when this thread is itself a worker and is
  // terminated from outside: then what computes takes the process with it.
  process.once('exit', () => {
    engine.fail(new Error('the process is ending'));
    closeGate(gate, () => runs(worker));
  });
  // A process that ends while the worker is still loading the runtime would wait for it for ever.
  await new Promise((loaded, failed) => {
    worker.once('message', loaded);
    worker.once('error', failed);
    worker.once('exit', (code) => failed(new Error(`exit code ${code}`)));
  }).catch((cause: Error) => {
    throw peerError('onnxruntime-node', cause);
  });
  worker.on('message', (answer) => engine.receive(answer));
  worker.on('error', (error) => engine.fail(error));
  // An answer that could not be taken apart, for lack of memory: nobody knows any more whose it was.
  worker.on('messageerror', (error) => engine.fail(error));
  worker.on('exit', (code) => engine.fail(new Error(`exit code ${code}`)));
  // After the listeners, since adding one keeps the process alive.
  worker.unref();
  return engine;
}

/** Read from the worker's event loop, since a thread that is blocked gets no events: one that has ended idled for −1 ms. */
function runs(worker: Worker): boolean {
  const { active, idle } = worker.performance.eventLoopUtilization();
  return active > 0 && idle >= 0;
}

/** Weights of smaller models are not worth that their file has to stay as it is. */
const STAYS_FROM = 2 ** 24;

const isRemote = (source: string): boolean => /^https?:\/\//i.test(source);

/** A path, from a path or a file URL. @throws GlobalPercError for a URL that names no file. */
function pathOf(source: string): string {
  if (!source.startsWith('file:')) return source;
  try {
    return fileURLToPath(source);
  } catch (error) {
    throw new GlobalPercError(`cannot read '${source}': ${(error as Error).message}`, { code: 'io', cause: error });
  }
}

/**
 * On Linux ONNX Runtime keeps a device id in the user's cache and looks up a host of Microsoft's, unless this variable stands in the
 * environment of the process when the library is loaded. Node writes there what the main thread sets; any other thread has a copy.
 */
function disableTelemetry(): void {
  if (process.env.ORT_DISABLE_TELEMETRY !== undefined) return;
  process.env.ORT_DISABLE_TELEMETRY = '1';
  if (isMainThread || process.platform !== 'linux') return;
  process.emitWarning(
    'globalperc was started in a worker thread, from where it cannot turn off the telemetry of ONNX Runtime: ' +
      'set ORT_DISABLE_TELEMETRY=1 in the environment of the process',
  );
}

/** The machine's, or what a container may use of it; where nothing is set, that is 0 or more than there is. */
function totalMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** Caches that the system would give up count as free; Node before 20.13 does not tell them apart. */
const freeMemory = (): number =>
  (process as { readonly availableMemory?: () => number }).availableMemory?.() ?? freemem();

/** A worker inherits the flags of the process; where the type of a script given by `--eval` is one of them, none fit its file. */
const flagsOfWorker = (): WorkerOptions =>
  process.execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {};

export const platform: Platform = {
  builds: ['cpu'],
  startEngine: () => {
    disableTelemetry();
    return engineOf(
      (workerData) => new Worker(new URL('./node-worker.mjs', import.meta.url), { workerData, ...flagsOfWorker() }),
    );
  },
  exists: async (source) => existsSync(pathOf(source)),
  readBytes: async (source, options) => (isRemote(source) ? readUrl(source, options) : readBytes(pathOf(source))),
  requireUnchanged,
  readModel: async (source, { whole, ...options }) => {
    if (isRemote(source)) return readUrl(source, options);
    const file = await openInPlace(pathOf(source));
    const stays = !whole && file.length >= STAYS_FROM;
    return (stays ? leavingWeights(file, basename(pathOf(source))) : undefined) ?? readBytes(pathOf(source));
  },
  openBeside: async (source, location) => {
    if (isRemote(source)) return openBesideUrl(new URL(source), location);
    return openInPlace(resolve(dirname(pathOf(source)), location));
  },
  writeBytes: writeAtomically,
  refuseOverwriting: (outputs, inputs) =>
    refuseOverwriting(outputs, inputs.filter((input) => !isRemote(input)).map(pathOf)),
  writeSnapshot,
  readSnapshot,
  threads: availableParallelism(),
  memory: { total: totalMemory(), free: freeMemory },
  contents,
  makeFolder,
  store: programStore,
};
