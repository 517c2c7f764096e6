/** Browsers: ONNX Runtime Web (an optional peer dependency), models by URL. */
import { GlobalPercError } from '../graph/index.js';
import { fileInMemory } from '../onnx/index.js';
import { SessionHost } from './session-host.mjs';
import type { Engine, Platform } from './types.js';

async function webEngine(): Promise<Engine> {
  const ort = await import('onnxruntime-web').catch(() => {
    throw new GlobalPercError("globalperc needs 'onnxruntime-web' in a browser: npm install onnxruntime-web");
  });
  // On a page the runtime moves its sessions to a worker of its own; inside a worker it stays where it is.
  ort.env.wasm.proxy = typeof document !== 'undefined';
  const host = new SessionHost(ort, { writesInto: false });
  return {
    create: (request) => host.create(request),
    run: (request) => host.run(request),
    upload: (tensors) => host.upload(tensors),
    download: (ids) => host.download(ids),
    release: async (ids) => host.release(ids),
    dispose: (session) => host.dispose(session),
  };
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
  startEngine: webEngine,
  exists: async () => false,
  readBytes,
  openBeside: async (source, location) =>
    fileInMemory(await readBytes(new URL(location, new URL(source, globalThis.location?.href)).href)),
  writeBytes: noFiles,
  writeSnapshot: noFiles,
  readSnapshot: noFiles,
  threads: globalThis.navigator?.hardwareConcurrency ?? 1,
};
