/**
 * A process that ends while its worker is at work. Arguments: how it ends; what the worker is at (`load`: ONNX Runtime,
 * `open`: sessions, `run`: one of them); after how many milliseconds.
 */
import { createGraph, requiredOpset } from '../../dist/ops/index.js';
import { runSteps, Session } from '../../dist/runtime/index.js';

const [how, phase, delay] = /** @type {[string, string, string]} */ (/** @type {unknown} */ (process.argv.slice(2)));

/** x·x·x… for a matrix of zeros: as many products as wanted. @param {number} products @param {number} size */
function matrices(products, size) {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [size, size]);
  let y = x;
  for (let i = 0; i < products; i += 1) y = y.matmul(x);
  graph.output('y', y);
  const feeds = {
    x: { dtype: /** @type {const} */ ('float32'), dims: [size, size], data: new Float32Array(size ** 2) },
  };
  const open = () => runSteps(Session.open(graph, requiredOpset(graph), { intraOpNumThreads: 1 }));
  return { open, run: (/** @type {Session} */ session) => runSteps(session.run(feeds)) };
}

/** What is got ready for a phase, and then begun and not awaited. @type {Record<string, () => Promise<() => unknown>>} */
const PHASES = {
  load: async () => matrices(1, 1).open,
  open: async () => {
    await matrices(1, 1).open();
    const many = matrices(300, 1);
    return () => Array.from({ length: 3 }, many.open);
  },
  run: async () => {
    const heavy = matrices(4, 384);
    const session = await heavy.open();
    return () => Array.from({ length: 5 }, () => heavy.run(session));
  },
};

/** @type {Record<string, () => unknown>} */
const ENDINGS = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('uncaught');
  },
  reject: () => Promise.reject(new Error('unhandled')),
  interrupt: () => process.kill(process.pid, 'SIGINT'),
  terminate: () => process.kill(process.pid, 'SIGTERM'),
  handled: () => {
    process.kill(process.pid, 'SIGUSR2');
    // A handler runs in a later turn, which there must be even where the work is done by then.
    setTimeout(() => {}, 10_000);
  },
  nothing: () => {},
};
process.on('SIGUSR2', () => process.exit(4));
const begin = await PHASES[phase]?.();
begin?.();
setTimeout(/** @type {() => void} */ (ENDINGS[how]), Number(delay));
