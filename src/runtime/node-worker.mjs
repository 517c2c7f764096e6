/** The worker thread that runs ONNX Runtime in Node: `session.run` blocks, and must not block the caller's event loop. */
import { parentPort, workerData } from 'node:worker_threads';
import { insideGate } from './native-gate.mjs';
import { SessionHost } from './session-host.mjs';
import { answering } from './worker-host.mjs';

async function runtime() {
  // Within `try`, from which bundlers see that it may be absent.
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    throw new Error(/** @type {Error} */ (error).message, { cause: error });
  }
}

const ort = await insideGate(workerData, runtime);
const answer = answering(
  new SessionHost(ort, { writesInto: true }),
  (message) => parentPort?.postMessage(message),
  (task) => insideGate(workerData, task),
);

parentPort?.on('message', answer);
// A request that could not be taken apart, for lack of memory: whoever waits for its answer hears that there will be none.
parentPort?.on('messageerror', (error) => {
  throw error;
});
parentPort?.postMessage('loaded');
