/**
 * Loaded before a program and into its worker (`--import`). In the worker, one of the runs of ONNX Runtime brings about what DEED names, after
 * or instead of the computation; DEED is `<name>:<number of the run>`.
 */
import { isMainThread } from 'node:worker_threads';
import { InferenceSession as Session } from 'onnxruntime-node';

const [name = '', at = ''] = (process.env.DEED ?? '').split(':');

const forEver = () => new Promise(() => {});

/** @type {Record<string, () => unknown>} */
const DEEDS = {
  exit: () => process.exit(9),
  throw: () => {
    setImmediate(() => {
      throw new Error('a defect');
    });
    return forEver();
  },
  heap: () => {
    const held = [];
    for (;;) held.push(new Array(1e5).fill(held.length));
  },
  allocation: () => new ArrayBuffer(2 ** 50),
  native: () => {
    throw new Error('std::bad_alloc');
  },
};

if (!isMainThread) {
  const { prototype } = /** @type {any} */ (Session);
  const { run } = prototype;
  let runs = 0;
  prototype.run = async function (/** @type {any} */ ...args) {
    runs += 1;
    if (runs === Number(at)) await DEEDS[name]?.();
    return run.apply(this, args);
  };
}
