/** Blocks on a worker that ends without an answer, then awaits it, and prints what it was told. Its argument is what the worker does. */
import { Worker } from 'node:worker_threads';
import { engineOf } from '../../dist/runtime/platform-node.js';

const deed = /** @type {string} */ (process.argv[2]);
const script = new URL('./faulty-worker.mjs', import.meta.url);
const worker = new Worker(script);
const engine = await engineOf(() => worker);
if (deed === 'terminate') worker.terminate();
/** @param {() => unknown} call */
async function told(call) {
  try {
    console.log('answered', await call());
  } catch (error) {
    const { name, code, message } = /** @type {import('../../dist/index.js').GlobalPercError} */ (error);
    console.log(`${name} ${code} ${message}`);
  }
}
const request = (/** @type {string} */ argument) => /** @type {const} */ ({ method: 'upload', argument });
await told(() => engine.askSync?.(request(deed === 'terminate' ? 'silence' : deed)));
await told(() => engine.ask(request('afterwards')));
