/**
 * The worker in which a browser's worker lets ONNX Runtime Web run on the CPU: it can block while this one computes. Bundlers
 * find it by the URL in platform-browser.
 */
import * as ort from 'onnxruntime-web/wasm';
import { SessionHost } from './session-host.mjs';
import { answering } from './worker-host.mjs';

const answer = answering(new SessionHost(ort, { writesInto: false }), (message) => self.postMessage(message));

self.addEventListener('message', ({ data }) => answer(data));
self.postMessage('loaded');
