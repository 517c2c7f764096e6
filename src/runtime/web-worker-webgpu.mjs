/** As web-worker, with the build of ONNX Runtime Web that reaches a GPU. */
import * as ort from 'onnxruntime-web/webgpu';
import { SessionHost } from './session-host.mjs';
import { answering } from './worker-host.mjs';

const answer = answering(new SessionHost(ort, { writesInto: false }), (message) => self.postMessage(message));

self.addEventListener('message', ({ data }) => answer(data));
self.postMessage('loaded');
