/**
 * The worker's side of WorkerEngine: answers requests with a SessionHost, by message or in shared memory.
 *
 * @typedef {import('./types.js').WorkerRequest} WorkerRequest
 */
import { SessionHost } from './session-host.mjs';
import { deliver, encode } from './shared-answer.mjs';

/**
 * @param {SessionHost} host
 * @param {(message: unknown) => void} post sends to the thread that asks
 * @returns {(request: WorkerRequest) => Promise<void>} what to do with its messages
 */
export function answering(host, post) {
  /** An answer for which the buffer was too small. @type {Uint8Array} */
  let withheld;
  return async ({ id, method, argument, buffer }) => {
    if (method === 'collect') {
      deliver(/** @type {SharedArrayBuffer} */ (buffer), withheld);
      return;
    }
    const answer = await outcome(host, method, argument);
    if (buffer === undefined) {
      post({ id, ...answer });
      return;
    }
    const bytes = encode(answer);
    if (!deliver(buffer, bytes)) withheld = bytes;
  };
}

/**
 * @param {SessionHost} host
 * @param {keyof import('./types.js').EngineMethods} method
 * @param {unknown} argument
 */
async function outcome(host, method, argument) {
  try {
    return { result: await host[method](/** @type {never} */ (argument)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
