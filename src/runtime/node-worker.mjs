/** The worker thread that runs ONNX Runtime in Node: `session.run` blocks, and must not block the caller's event loop. */
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { SessionHost } from './session-host.mjs';
import { answering } from './worker-host.mjs';

const answer = answering(new SessionHost(ort, { writesInto: true }), (message) => parentPort?.postMessage(message));

parentPort?.on('message', answer);
parentPort?.postMessage('loaded');
