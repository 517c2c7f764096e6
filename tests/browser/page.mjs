/** Runs scenarios on the page's main thread, or in a Web Worker. */
import { SCENARIOS } from './scenarios.mjs';

Object.assign(globalThis, {
  /** @param {keyof typeof SCENARIOS} name */
  onMainThread: (name) => SCENARIOS[name](),

  /** @param {keyof typeof SCENARIOS} name */
  inWebWorker: (name) =>
    new Promise((resolve, reject) => {
      const worker = new Worker('/worker.mjs', { type: 'module' });
      worker.onmessage = ({ data: { result, error } }) => (error ? reject(new Error(error)) : resolve(result));
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(name);
    }),
});
