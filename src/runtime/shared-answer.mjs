/**
 * How an answer reaches a thread that is blocked: as bytes in shared memory. The waiting thread offers a buffer; the
 * answering one fills it, or says how many bytes it needs. Plain JavaScript, so that a worker can load it as it is.
 *
 * A buffer is a header of two integers (state, number of bytes) and the bytes: the length of a JSON text, the text, and
 * from the next multiple of eight on the typed arrays that it mentions.
 */

import { LOOK_EVERY_MS } from './native-gate.mjs';

const STATE = 0;
const LENGTH = 1;
const HEADER_BYTES = 8;
const [WAITING, ANSWERED, TOO_SMALL] = [0, 1, 2];

/** @param {number} bytes the largest answer it can take */
export const sharedBuffer = (bytes) => new SharedArrayBuffer(HEADER_BYTES + bytes);

/** @param {number} bytes */
const aligned = (bytes) => Math.ceil(bytes / 8) * 8;

/**
 * An answer as bytes: plain objects, numbers and strings, and typed arrays anywhere among them.
 * @param {unknown} answer
 */
export function encode(answer) {
  /** @type {{ from: number, bytes: Uint8Array }[]} */
  const arrays = [];
  let end = 0;
  const json = JSON.stringify(answer, (_, value) => {
    if (!ArrayBuffer.isView(value)) return value;
    const from = end;
    arrays.push({ from, bytes: new Uint8Array(value.buffer, value.byteOffset, value.byteLength) });
    end = aligned(end + value.byteLength);
    return { array: value.constructor.name, from, to: from + value.byteLength };
  });
  const text = new TextEncoder().encode(json);
  const start = aligned(4 + text.length);
  const bytes = new Uint8Array(start + end);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  for (const array of arrays) bytes.set(array.bytes, start + array.from);
  return bytes;
}

/**
 * @param {ArrayBuffer} buffer what `encode` made
 * @returns {unknown}
 */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const start = aligned(4 + length);
  const text = new TextDecoder().decode(new Uint8Array(buffer, 4, length));
  return JSON.parse(text, (_, value) => {
    if (typeof value?.array !== 'string') return value;
    const Type = /** @type {Float32ArrayConstructor} */ (/** @type {any} */ (globalThis)[value.array]);
    return new Type(buffer.slice(start + value.from, start + value.to));
  });
}

/**
 * Answers the thread that waits on a buffer.
 * @param {SharedArrayBuffer} buffer
 * @param {Uint8Array} bytes
 * @returns {boolean} false when the buffer is too small: it will offer another
 */
export function deliver(buffer, bytes) {
  const header = new Int32Array(buffer, 0, 2);
  const fits = HEADER_BYTES + bytes.length <= buffer.byteLength;
  if (fits) new Uint8Array(buffer, HEADER_BYTES).set(bytes);
  header[LENGTH] = bytes.length;
  Atomics.store(header, STATE, fits ? ANSWERED : TOO_SMALL);
  Atomics.notify(header, STATE);
  return fits;
}

/**
 * Blocks until `deliver` was called on the buffer, which can be offered again afterwards.
 * @param {SharedArrayBuffer} buffer
 * @param {() => boolean} runs whether the answering thread still runs: a thread that is blocked hears no events
 * @returns {{ bytes: ArrayBuffer } | { needed: number } | undefined} the answer, or how many bytes it has when the buffer
 * is too small; undefined when the other thread has ended
 */
export function waitFor(buffer, runs) {
  const header = new Int32Array(buffer, 0, 2);
  // Two looks in a row: its last deed may have been the answer.
  let ended = 0;
  while (Atomics.wait(header, STATE, WAITING, LOOK_EVERY_MS) === 'timed-out') {
    ended = runs() ? 0 : ended + 1;
    if (ended === 2) return undefined;
  }
  const fits = Atomics.exchange(header, STATE, WAITING) === ANSWERED;
  const length = /** @type {number} */ (header[LENGTH]);
  if (!fits) return { needed: length };
  // A copy: what is shared is filled again by the next answer, and cannot be decoded as text.
  return { bytes: new Uint8Array(buffer, HEADER_BYTES, length).slice().buffer };
}
