/**
 * How long a large graph takes to compile, step by step: a network of separable convolutions, normalisations, sums and concatenations, as
 * NASNet-A has, of so many cells that the compiled graph has about 45,000 nodes. ONNX Runtime's opening of it is not counted.
 *
 *   npm run build && node bench/large.mjs [CELLS]
 */
import { Runner } from '../dist/compile/index.js';
import { constantOf, int, ints } from '../dist/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, loadModel, NormalizedTensorLoss, nn } from '../dist/index.js';
import { writeOnnx } from '../dist/onnx/index.js';
import { createGraph } from '../dist/ops/index.js';

/** @typedef {import('../dist/graph/index.js').Tensor} Tensor */
/** @typedef {import('../dist/graph/index.js').Attributes} Attributes */

const [cells = '75'] = process.argv.slice(2);
const CHANNELS = 4;

const graph = createGraph();
let drawn = 0;
const next = () => {
  drawn += 1;
  return Math.sin(drawn);
};
/** @param {number[]} shape */
const weight = (...shape) =>
  graph.constant(constantOf('float32', shape, Float32Array.from({ length: shape.reduce((a, b) => a * b) }, next)));
/** @type {(path: string, op: string, inputs: Tensor[], attributes?: Attributes) => Tensor} */
const named = (path, op, inputs, attributes = {}) => {
  const [output] = graph.emit(op, inputs, attributes, { name: `/${path}/${op}` });
  return /** @type {Tensor} */ (output);
};
/** @type {(path: string, x: Tensor, kernel: number, group: number) => Tensor} */
const conv = (path, x, kernel, group) => {
  const pads = ints(Array(4).fill((kernel - 1) / 2));
  const w = weight(CHANNELS, x.dim(1) / group, kernel, kernel);
  return named(path, 'Conv', [x, w], { group: int(group), pads, kernel_shape: ints([kernel, kernel]) });
};
/** @type {(path: string, x: Tensor) => Tensor} */
const norm = (path, x) => {
  const positive = () =>
    graph.constant(
      constantOf(
        'float32',
        [CHANNELS],
        Float32Array.from({ length: CHANNELS }, () => 1.5 + next() / 4),
      ),
    );
  return named(path, 'BatchNormalization', [x, positive(), weight(CHANNELS), weight(CHANNELS), positive()]);
};
/** @type {(path: string, x: Tensor, kernel: number) => Tensor} */
const separable = (path, x, kernel) =>
  [0, 1].reduce((y, i) => {
    const depth = conv(`${path}/depth_${i}`, named(`${path}/act_${i}`, 'Relu', [y]), kernel, CHANNELS);
    return norm(`${path}/bn_${i}`, conv(`${path}/point_${i}`, depth, 1, 1));
  }, x);
/** @type {(path: string, a: Tensor, b: Tensor) => Tensor} */
const cell = (path, a, b) => {
  const sums = /** @type {const} */ ([
    [a, 5, b, 3],
    [b, 5, b, 3],
    [a, 3, a, 5],
  ]).map(([x, k, y, l], i) =>
    separable(`${path}/comb_${i}_left`, x, k).add(separable(`${path}/comb_${i}_right`, y, l)),
  );
  const joined = named(`${path}/concat`, 'Concat', [b, ...sums], { axis: int(1) });
  return norm(`${path}/fit_bn`, conv(`${path}/fit`, named(`${path}/fit_act`, 'Relu', [joined]), 1, 1));
};

const image = graph.input('image', 'float32', [1, 3, 8, 8]);
let [previous, current] = [conv('stem_0', image, 1, 1), conv('stem_1', image, 3, 1)];
for (let i = 0; i < Number(cells); i += 1) [previous, current] = [current, cell(`cells.${i}`, previous, current)];
graph.output('y', current);
const bytes = writeOnnx(graph, { opset: 20 }).model;

const finished = Runner.prototype.finished;
let compiled = 0;
Runner.prototype.finished = function* count(draft, options) {
  const result = yield* finished.call(this, draft, options);
  compiled = result.nodes.length;
  return result;
};

let [name, since] = ['load', performance.now()];
const begun = since;
/** @param {string} step */
const begin = (step) => {
  console.log(`${name}: ${((performance.now() - since) / 1000).toFixed(2)} s`);
  [name, since] = [step, performance.now()];
};
const photo = () => ({ dims: [1, 3, 8, 8], data: Float32Array.from({ length: 192 }, Math.random) });
const model = await loadModel(bytes);
const config = { modulesToHook: [nn.Conv2d], lossFunc: new NormalizedTensorLoss('l2'), printData: false };
const loss = new GlobalPercLoss(model, new GlobalPercConfig(config));
begin('choose hooks');
const stop = new AbortController();
const options = {
  signal: stop.signal,
  /** @param {{ step: string }} progress */
  onProgress: ({ step }) => {
    begin(step);
    if (step === 'open') stop.abort();
  },
};
await loss.valueAndGrad(photo(), photo(), options).catch((/** @type {Error} */ error) => {
  if (!stop.signal.aborted) throw error;
});
console.log(
  `${graph.nodes.length} nodes, ${loss.hooks.length} hooks: ${compiled} nodes compiled in ${((since - begun) / 1000).toFixed(1)} s`,
);
process.exit(0);
