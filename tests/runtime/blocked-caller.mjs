/** Blocks on a worker that ends without an answer, and prints what it was told. Its argument is what the worker does. */
import { Worker } from 'node:worker_threads';
import { engineOf } from '../../dist/runtime/platform-node.js';

const deed = /** @type {string} */ (process.argv[2]);
const script = new URL('./faulty-worker.mjs', import.meta.url);
const worker = new Worker(script);
const engine = await engineOf(() => worker);
if (deed === 'terminate') worker.terminate();
for (const argument of [deed === 'terminate' ? 'silence' : deed, 'afterwards']) {
  try {
    console.log('answered', engine.askSync?.({ method: 'upload', argument }));
  } catch (error) {
    const { name, code, message } = /** @type {import('../../dist/index.js').GlobalPercError} */ (error);
    console.log(`${name} ${code} ${message}`);
  }
}
