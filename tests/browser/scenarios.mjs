/** What a page, or a Web Worker of it, does; each returns what can be compared outside. */
import * as jax from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import { Generator, GlobalPercConfig, GlobalPercLoss, LPIPS, loadModel, nn, optim, Trainer, toOnnx } from 'globalperc';
import { jaxLoss, valueAndGradWith } from 'globalperc/jax';
import { tfLoss, tfStep } from 'globalperc/tfjs';

const STEPS = 10;
/** AlexNet takes 31 and more. */
const SIDE = 32;

/** A batch of two square images, uniform in [0, 1). @param {number} seed */
export function noise(seed) {
  const generator = new Generator(seed);
  const dims = [2, 3, SIDE, SIDE];
  return { dims, data: Float32Array.from({ length: 2 * 3 * SIDE * SIDE }, () => generator.uniform()) };
}

const perceptual = async () =>
  new GlobalPercLoss(await loadModel('/assets/lpips-alex.onnx'), new GlobalPercConfig({ printData: false }));

/** @param {{ dims: number[], data: Float32Array }} image */
const tfImage = ({ dims, data }) => tf.tidy(() => tf.transpose(tf.tensor(data, dims), [0, 2, 3, 1]));

function tfStudent() {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 1 });
  return tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [null, null, 3],
        filters: 8,
        kernelSize: 3,
        padding: 'same',
        activation: 'relu',
        kernelInitializer,
      }),
      tf.layers.dropout({ rate: 0.1 }),
      tf.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', kernelInitializer }),
    ],
  });
}

/** Loss and gradient of two images, as this thread finds them. */
async function valueAndGrad() {
  const loss = await perceptual();
  const { value, grad } = await loss.valueAndGrad(noise(1), noise(2));
  return { value, grad: [...grad.data] };
}

/** The same of LPIPS, whose network lies beside the bundle. */
async function lpips() {
  const { value, grad } = await new LPIPS().valueAndGrad(noise(1), noise(2));
  return { value, grad: [...grad.data] };
}

/** The same on a GPU, and what a training step and a prediction come to there. */
async function webgpu() {
  const session = { executionProviders: ['webgpu'] };
  const loss = new LPIPS({ session });
  const { value, grad } = await loss.valueAndGrad(noise(1), noise(2));
  await loss.dispose();
  return { value, grad: [...grad.data], ...(await trained(session)) };
}

/** Losses of three steps of a small student, and what it then makes of its input. @param {object} session */
export async function trained(session) {
  nn.manualSeed(0);
  const student = new nn.Sequential(
    new nn.Conv2d(3, 4, 3, { padding: 1 }),
    new nn.ReLU(),
    new nn.Conv2d(4, 3, 3, { padding: 1 }),
  );
  const trainer = await Trainer.create(student, new nn.L1Loss(), new optim.AdamW(), {
    batch: [2, 3, SIDE, SIDE],
    session,
  });
  const losses = [];
  for (let i = 0; i < 3; i += 1) losses.push((await trainer.step(noise(1), noise(2))).loss);
  const { data } = await trainer.predict(noise(1));
  await trainer.dispose();
  return { losses, output: [...data] };
}

/** Samples, map and loss under a mask of LPIPS. */
async function where() {
  const loss = new LPIPS();
  const mask = { dims: [1, 1, SIDE, SIDE], data: Float32Array.from({ length: SIDE * SIDE }, (_, i) => (i % 3) / 2) };
  const { samples } = await loss.valueAndGrad(noise(1), noise(2));
  const { map } = await loss.map(noise(1), noise(2));
  return {
    masked: await loss.evaluate(noise(1), noise(2), { mask }),
    samples: [...(samples ?? [])],
    map: [...map.data],
  };
}

/** model.fit, for ten epochs of one batch. */
async function tfjsFit() {
  await tf.setBackend('cpu');
  const model = tfStudent();
  const loss = await tfLoss(await perceptual());
  model.compile({ optimizer: tf.train.adam(0.01), loss });
  const { history } = await model.fit(tfImage(noise(1)), tfImage(noise(2)), { epochs: STEPS, verbose: 0 });
  await loss.dispose();
  return { losses: history.loss };
}

/** Ten steps that do not block. */
async function tfjsSteps() {
  await tf.setBackend('cpu');
  const model = tfStudent();
  const step = tfStep(await perceptual());
  const optimizer = tf.train.adam(0.01);
  const [x, y] = [tfImage(noise(1)), tfImage(noise(2))];
  const losses = [];
  for (let i = 0; i < STEPS; i += 1) losses.push(await step(model, optimizer, x, y));
  return { losses };
}

/** Ten steps of gradient descent in jax-js. */
async function jaxSteps() {
  await jax.init('wasm');
  const { lax, numpy: np, random, tree } = jax;
  /** @param {any} weight @param {any} x */
  const student = (weight, x) => lax.conv(x, weight, [1, 1], 'SAME');
  const lossAndGrads = valueAndGradWith(student, jaxLoss(await perceptual()));
  const array = (/** @type {ReturnType<typeof noise>} */ { data, dims }) => np.array(data, { shape: dims });
  let weight = random.normal(random.key(1), [3, 3, 3, 3]).mul(0.2);
  const losses = [];
  for (let i = 0; i < STEPS; i += 1) {
    const [value, grads] = await lossAndGrads(tree.ref(weight), array(noise(1)), array(noise(2)));
    weight = weight.sub(grads.mul(0.01));
    losses.push(value.item());
  }
  return { losses };
}

/** What tfLoss answers here. */
async function tfLossRefused() {
  return tfLoss(await perceptual()).then(
    () => ({ message: 'none' }),
    ({ message }) => ({ message }),
  );
}

/** Activations that no 32-bit address reaches, and then a loss that fits. */
async function outOfMemory() {
  const dims = [1, 3, 1536, 1536];
  const wide = await loadModel(await toOnnx(new nn.Sequential(new nn.Conv2d(3, 512, 1)), { input: dims }));
  const loss = new GlobalPercLoss(wide, new GlobalPercConfig({ printData: false }));
  const image = { dims, data: new Float32Array(3 * 1536 * 1536) };
  const message = await loss.valueAndGrad(image, image).then(
    () => '',
    (error) => `${error.code}: ${error.message}`,
  );
  await loss.dispose();
  return { message, value: await (await perceptual()).evaluate(noise(1), noise(2)) };
}

export const SCENARIOS = {
  valueAndGrad,
  lpips,
  where,
  webgpu,
  outOfMemory,
  tfjsFit,
  tfjsSteps,
  jaxSteps,
  tfLossRefused,
};
