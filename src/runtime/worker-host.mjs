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
    const found = await guarded(() => outcome(() => host[method](/** @type {never} */ (argument))));
    const hand = (/** @type {object} */ answer) => {
      if (buffer === undefined) {
        post({ id, ...answer });
        return;
      }
      const bytes = encode(answer);
      if (!deliver(buffer, bytes)) withheld = bytes;
    };
    // Where there is no memory for the answer, that is the answer: whoever asks waits for one.
    const { error, code } = await outcome(() => hand(found));
    if (error !== undefined) hand({ error, code });
  };
  let last = Promise.resolve();
  // One after the other: a session must not be closed between the call that asks it to run and the run itself.
  return (request) => {
    last = last.then(() => answer(request));
    return last;
  };
}

/**
 * What a task has come to, as an answer.
 * @param {() => unknown} task
 * @returns {Promise<{ result?: unknown, error?: string, code?: unknown }>}
 */
async function outcome(task) {
  try {
    return { result: await task() };
  } catch (error) {
    if (!(error instanceof Error)) return { error: String(error) };
    return { error: error.message, code: /** @type {{ code?: unknown }} */ (error).code };
  }
}
