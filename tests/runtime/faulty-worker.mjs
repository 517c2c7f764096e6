/** A worker that does what it is asked to, for the tests of what a caller hears then. */
import { parentPort, workerData } from 'node:worker_threads';
import { answering } from '../../src/runtime/worker-host.mjs';

const forEver = () => new Promise(() => {});

/** By the argument of the request; any other is the answer. @type {Record<string, () => unknown>} */
const DEEDS = {
  exit: () => process.exit(7),
  throw: () => {
    setImmediate(() => {
      throw new Error('a defect');
    });
    return forEver();
  },
  silence: forEver,
};

/** @type {any} */
const host = { upload: (/** @type {string} */ deed) => DEEDS[deed]?.() ?? deed };
if (workerData === 'broken') throw new Error('no library');
const answer = answering(host, (message) => parentPort?.postMessage(message));
parentPort?.on('message', answer);
parentPort?.postMessage('loaded');
