/** The worker thread that runs ONNX Runtime in Node: `session.run` blocks, and must not block the caller's event loop. */
import { parentPort, workerData } from 'node:worker_threads';
import { insideGate } from './native-gate.mjs';
import { SessionHost } from './session-host.mjs';
import { answering } from './worker-host.mjs';

const ort = await insideGate(workerData, () => import('onnxruntime-node'));
const answer = answering(
  new SessionHost(ort, { writesInto: true }),
  (message) => parentPort?.postMessage(message),
  (task) => insideGate(workerData, task),
);

parentPort?.on('message', answer);
parentPort?.postMessage('loaded');
