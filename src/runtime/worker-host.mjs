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
 * @param {<T>(task: () => Promise<T>) => Promise<T>} [guarded] carries out what runs native code
 * @returns {(request: WorkerRequest) => Promise<void>} what to do with its messages
 */
export function answering(host, post, guarded = (task) => task()) {
  /** An answer for which the buffer was too small. @type {Uint8Array} */
  let withheld;
  /** @param {WorkerRequest} request */
  const answer = async ({ id, method, argument, buffer }) => {
    if (method === 'collect') {
      deliver(/** @type {SharedArrayBuffer} */ (buffer), withheld);
      return;
    }
    const found = await guarded(() => outcome(host, method, argument));
    if (buffer === undefined) {
      post({ id, ...found });
      return;
    }
    const bytes = encode(found);
    if (!deliver(buffer, bytes)) withheld = bytes;
  };
  let last = Promise.resolve();
  // One after the other: a session must not be closed between the call that asks it to run and the run itself.
  return (request) => {
    last = last.then(() => answer(request));
    return last;
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
    if (!(error instanceof Error)) return { error: String(error) };
    return { error: error.message, code: /** @type {{ code?: unknown }} */ (error).code };
  }
}
