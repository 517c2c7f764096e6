/** ONNX Runtime Web as the page uses it: the small build, and all cores where the page has shared memory. */
import { env } from 'onnxruntime-web/wasm';

export * from 'onnxruntime-web/wasm';

/** By itself it takes half of the cores, four at most. */
const MOST_THREADS = 8;
env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
