/**
 * One training step of TensorFlow.js (WebAssembly backend) on an image of 128² with a VGG16-like teacher, 26 hooks: the
 * loss through globalperc/tfjs, and the same loss written in TensorFlow.js alone, in turn.
 *
 *   npm run build && node bench/tfjs.mjs [ROUNDS]
 *
 * The student is a dense layer per pixel: tfjs' WebAssembly has no weight gradient of convolutions.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { tfLoss } from '../dist/adapters/tfjs/index.js';
import { GlobalPercConfig, GlobalPercLoss, loadModel, NormalizedTensorLoss, nn, toOnnx } from '../dist/index.js';
import { median } from './median.mjs';

const [rounds = '5'] = process.argv.slice(2);
const SIDE = 128;
/** Channels of the convolutions of each stage; a pooling layer lies between stages. */
const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

/** The teacher, whose weights both sides share. */
function vgg() {
  let channels = 3;
  const stages = STAGES.map((widths) =>
    widths.flatMap((width) => {
      const convolution = new nn.Conv2d(channels, width, 3, { padding: 1 });
      channels = width;
      return [convolution, new nn.ReLU()];
    }),
  );
  return new nn.Sequential(...stages.flatMap((layers, i) => (i === 0 ? layers : [new nn.MaxPool2d(2), ...layers])));
}

/** Activations behind every convolution and ReLU. @param {nn.Sequential} teacher */
function tfFeatures(teacher) {
  const layers = teacher.children().map((layer) => {
    if (layer instanceof nn.MaxPool2d) return { apply: (/** @type {tf.Tensor4D} */ x) => tf.maxPool(x, 2, 2, 'valid') };
    if (!(layer instanceof nn.Conv2d)) return { hooked: true, apply: (/** @type {tf.Tensor4D} */ x) => tf.relu(x) };
    const kernel = tf.transpose(tf.tensor4d(layer.weight.data, /** @type {any} */ (layer.weight.shape)), [2, 3, 1, 0]);
    const bias = tf.tensor1d(/** @type {nn.Parameter} */ (layer.bias).data);
    return {
      hooked: true,
      apply: (/** @type {tf.Tensor4D} */ x) =>
        tf.add(tf.conv2d(x, /** @type {tf.Tensor4D} */ (kernel), 1, 'same'), bias),
    };
  });
  return (/** @type {tf.Tensor} */ image) => {
    let x = /** @type {tf.Tensor4D} */ (image);
    return layers.flatMap(({ apply, hooked }) => {
      x = /** @type {tf.Tensor4D} */ (apply(x));
      return hooked ? [x] : [];
    });
  };
}

/** Σ wᵢ · mean (1 − cos)² over channels, as `NormalizedTensorLoss('l2')`. @param {nn.Sequential} teacher */
function lossInTf(teacher) {
  const features = tfFeatures(teacher);
  /** @param {tf.Tensor} x */
  const norm = (x) => tf.sqrt(tf.sum(tf.square(x), 3)).maximum(1e-8);
  /** @param {tf.Tensor} yTrue @param {tf.Tensor} yPred */
  return (yTrue, yPred) => {
    const [a, b] = [features(yPred), features(yTrue)];
    const terms = a.map((x, i) => {
      const y = /** @type {tf.Tensor} */ (b[i]);
      const cosine = tf.sum(tf.mul(x, y), 3).div(tf.mul(norm(x), norm(y)));
      return tf
        .sub(1, cosine)
        .square()
        .mean()
        .mul(1 + i / (a.length - 1));
    });
    return /** @type {tf.Scalar} */ (tf.addN(terms));
  };
}

await tf.setBackend('wasm');
const teacher = vgg();
const model = await loadModel(await toOnnx(teacher, { input: [1, 3, SIDE, SIDE] }));
const config = { modulesToHook: [nn.Conv2d, nn.ReLU], lossFunc: new NormalizedTensorLoss('l2'), printData: false };
const ours = await tfLoss(new GlobalPercLoss(model, new GlobalPercConfig(config)));
const alone = lossInTf(teacher);

const input = tf.input({ shape: [SIDE, SIDE, 3] });
const hidden = tf.layers.dense({ units: 16, activation: 'relu' }).apply(input);
const detail = /** @type {tf.SymbolicTensor} */ (tf.layers.dense({ units: 3 }).apply(hidden));
const output = /** @type {tf.SymbolicTensor} */ (tf.layers.add().apply([input, detail]));
const student = tf.model({ inputs: input, outputs: output });
const optimizer = tf.train.adam(1e-4);
const [x, y] = [tf.randomUniform([1, SIDE, SIDE, 3]), tf.randomUniform([1, SIDE, SIDE, 3])];

/** Milliseconds of one step. @param {(yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Scalar} loss */
function step(loss) {
  const start = performance.now();
  optimizer.minimize(() => loss(y, /** @type {tf.Tensor} */ (student.apply(x))), true)?.dataSync();
  return performance.now() - start;
}

/** @type {number[]} */
const adapter = [];
/** @type {number[]} */
const tfjs = [];
const agreed = tf.tidy(() =>
  [ours, alone].map((loss) => loss(y, /** @type {tf.Tensor} */ (student.apply(x))).dataSync()[0]),
);
console.log(`the same loss: ${agreed.map((value) => value?.toPrecision(6)).join(' and ')}`);
for (let round = -1; round < Number(rounds); round += 1) {
  const times = [step(ours), step(alone)];
  if (round < 0) continue; // Warm-up.
  adapter.push(times[0] ?? 0);
  tfjs.push(times[1] ?? 0);
}
const [a, b] = [median(adapter), median(tfjs)];
console.log(`VGG16-like teacher, 26 hooks, ${SIDE}², medians of ${rounds} rounds`);
console.log(`globalperc/tfjs ${a.toFixed(0)} ms, TensorFlow.js alone ${b.toFixed(0)} ms: ${(a / b).toFixed(3)}×`);
await ours.dispose();
