/**
 * Sessions of ONNX Runtime Web, in a page or in a worker of it. Plain JavaScript, so that a worker can load it as it is.
 *
 * @typedef {import('./session-host.mjs').Ort} Ort
 * @typedef {import('./types.js').CreateRequest} CreateRequest
 */
import { SessionHost } from './session-host.mjs';
import { answering } from './worker-host.mjs';

const REMEDY =
  'it is in node_modules/onnxruntime-web/dist: serve it at that address ' +
  '(https://github.com/globalperc/globalperc/blob/main/docs/bundlers.md)';

/**
 * Answers the page that started this worker.
 * @param {Ort} ort
 */
export function serve(ort) {
  const answer = answering(new WebSessionHost(ort), (message) => self.postMessage(message));
  self.addEventListener('message', ({ data }) => answer(data));
  self.postMessage('loaded');
}

/** ONNX Runtime Web fetches files of its own; when one does not arrive it says that it has no backend, this says which. */
export class WebSessionHost extends SessionHost {
  /** @param {Ort} ort */
  constructor(ort) {
    super(ort, { writesInto: false });
  }

  /**
   * @override
   * @param {CreateRequest} request
   * @returns {Promise<number>} the session's id
   */
  async create(request) {
    try {
      return await super.create(request);
    } catch (error) {
      const missing = /no available backend/i.test(String(error)) ? await missingFile() : undefined;
      // The code crosses from the worker to the caller, where it tells that no model is to blame.
      throw missing ? Object.assign(new Error(missing, { cause: error }), { code: 'io' }) : error;
    }
  }
}

/** Which of ONNX Runtime Web's files this thread has asked for in vain, as a message. */
async function missingFile() {
  const asked = performance.getEntriesByType('resource').map(({ name }) => name);
  for (const address of new Set(asked.filter((name) => /\.wasm$|\/ort-wasm[^/]*\.mjs$/.test(name)))) {
    const fault = await faultOf(address);
    if (fault) return `ONNX Runtime Web does not start, because ${address} is ${fault}: ${REMEDY}`;
  }
  return undefined;
}

/**
 * What is wrong with a file at an address: servers answer with a page, too, where there is none.
 * @param {string} address
 */
async function faultOf(address) {
  const response = await fetch(address).catch(() => undefined);
  if (!response?.ok) return response ? `missing (HTTP ${response.status})` : 'out of reach';
  if (response.headers.get('content-type')?.startsWith('text/html')) return 'missing (the server sends a page instead)';
  return undefined;
}
