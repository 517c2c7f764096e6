/**
 * The gate in front of native code. A Node thread that is terminated inside ONNX Runtime brings the whole process down
 * when it comes back ("terminate called after throwing an instance of 'Napi::Error'"): so a thread that ends the process
 * closes the gate first, and waits for whoever is inside. Plain JavaScript, so that a worker can load it as it is.
 *
 * A gate is two shared integers: whether somebody is inside, and whether it is closed.
 */

const INSIDE = 0;
const CLOSED = 1;
/** How long a thread waits before it looks whether the other still runs. */
export const LOOK_EVERY_MS = 100;

export const openGate = () => new Int32Array(new SharedArrayBuffer(8));

/**
 * Carries out native work, one task at a time. Once the gate is closed nothing begins any more, and nothing is answered.
 * @template T
 * @param {Int32Array} gate
 * @param {() => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function insideGate(gate, task) {
  // First inside, then the look at the lock; the other thread locks first, then looks inside: one sees the other.
  setInside(gate, 1);
  if (Atomics.load(gate, CLOSED) === 1) {
    setInside(gate, 0);
    return new Promise(() => {});
  }
  return task().finally(() => setInside(gate, 0));
}

/**
 * @param {Int32Array} gate
 * @param {0 | 1} inside
 */
function setInside(gate, inside) {
  Atomics.store(gate, INSIDE, inside);
  Atomics.notify(gate, INSIDE);
}

/**
 * Closes the gate and blocks until nobody is inside.
 * @param {Int32Array} gate
 * @param {() => boolean} runs whether the thread that may be inside still runs
 */
export function closeGate(gate, runs) {
  Atomics.store(gate, CLOSED, 1);
  while (Atomics.load(gate, INSIDE) === 1 && runs()) Atomics.wait(gate, INSIDE, 1, LOOK_EVERY_MS);
}
