/** The worker thread that runs ONNX Runtime in Node: `session.run` blocks, and must not block the caller's event loop. */
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { SessionHost } from './session-host.mjs';

const host = new SessionHost(ort, { writesInto: true });

parentPort?.on('message', async (/** @type {import('./types.js').WorkerRequest} */ { id, method, argument }) => {
  try {
    const result = await host[method](/** @type {never} */ (argument));
    parentPort?.postMessage({ id, result });
  } catch (error) {
    parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});

parentPort?.postMessage('loaded');
