/** What reaches the weights of a TensorFlow.js student: held to our own training step, and to tfjs' own gradients. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { tfLoss, tfStep } from '../../../src/adapters/tfjs/index.js';
import { GlobalPercConfig, GlobalPercLoss, type Loss, loadModel, nn, toOnnx } from '../../../src/index.js';
import { relativeError } from '../../support/run.js';
import { BATCHES, LOSSES, noise, ours, perceptual, Student } from '../student.js';
import { byOurNames, convolutional, imageOf, PointwiseStudent, pointwise } from './student.js';

type Gradients = Readonly<Record<string, ArrayLike<number>>>;

/** Students and the backends that can train them. */
const STUDENTS: Readonly<Record<string, { make(): [nn.Module, tf.LayersModel]; backend: string }>> = {
  'convolutions, cpu': { make: () => made(new Student(), convolutional), backend: 'cpu' },
  'dense layers, cpu': { make: () => made(new PointwiseStudent(), pointwise), backend: 'cpu' },
  'dense layers, wasm': { make: () => made(new PointwiseStudent(), pointwise), backend: 'wasm' },
};

const made = <M extends nn.Module>(module: M, twin: (module: M) => tf.LayersModel): [M, tf.LayersModel] => [
  module,
  twin(module),
];

const weightsOf = (model: tf.LayersModel): tf.Variable[] =>
  model.trainableWeights.map((weight) => weight.read() as tf.Variable);

/** Loss and gradients of the weights by `tf.variableGrads`. */
function gradientsOf(model: tf.LayersModel, loss: () => tf.Scalar): { value: number; gradients: Gradients } {
  const weights = weightsOf(model);
  return tf.tidy(() => {
    const { value, grads } = tf.variableGrads(loss, weights);
    return {
      value: value.dataSync()[0] as number,
      gradients: byOurNames(weights.map(({ name }) => grads[name] as tf.Tensor)),
    };
  });
}

/** How one step of SGD moves the weights, divided by its rate. */
async function movedBy(model: tf.LayersModel, step: (optimizer: tf.Optimizer) => Promise<unknown>): Promise<Gradients> {
  const rate = 1000; // Far beyond rounding of the weights.
  const before = byOurNames(weightsOf(model));
  await step(tf.train.sgd(rate));
  const after = Object.entries(byOurNames(weightsOf(model)));
  return Object.fromEntries(
    after.map(([name, data]) => [name, data.map((value, i) => ((before[name]?.[i] as number) - value) / rate)]),
  );
}

function expectGradients(found: Gradients, expected: Gradients): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, gradient] of Object.entries(found)) {
    const error = relativeError(gradient, expected[name] as ArrayLike<number>);
    expect(error, `gradient of ${name}`).toBeLessThan(1e-3);
  }
}

describe.each(Object.entries(STUDENTS))('a student of %s', (_, { make, backend }) => {
  beforeAll(() => tf.setBackend(backend));

  describe.each(Object.keys(LOSSES))('%s', (name) => {
    it.each(BATCHES[name] ?? [2])('has the gradient of our own training step, batch %i', async (batch) => {
      const [input, target] = [noise(batch, 1), noise(batch, 2)];
      const [module, model] = make();
      await using loss = await (LOSSES[name] as () => Promise<Loss>)();
      const expected = await ours(module, loss, input, target);
      const [x, y] = [imageOf(input), imageOf(target)];

      const synchronous = await tfLoss(loss);
      const { value, gradients } = gradientsOf(model, () => synchronous(y, model.apply(x) as tf.Tensor));
      expect(relativeError([value], [expected.value])).toBeLessThan(1e-5);
      expectGradients(gradients, expected.gradients);

      const stepped: number[] = [];
      const moved = await movedBy(model, async (optimizer) => stepped.push(await tfStep(loss)(model, optimizer, x, y)));
      expect(relativeError(stepped, [expected.value])).toBeLessThan(1e-5);
      expectGradients(moved, expected.gradients);
    });
  });
});

describe('against TensorFlow.js itself', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('gives the gradient tfjs finds through the same teacher, scaled and added up as in tfjs', async () => {
    const conv = new nn.Conv2d(3, 5, 3, { padding: 1 });
    const teacher = await loadModel(await toOnnx(new nn.Sequential(conv), { input: [2, 3, 32, 32] }));
    const config = new GlobalPercConfig({ endWeight: 1, lossFunc: new nn.MSELoss(), printData: false });
    const loss = await tfLoss(new GlobalPercLoss(teacher, config));
    const { weight, bias } = conv.stateDict();
    const kernel = tf.tensor4d(weight?.data as Float32Array, [5, 3, 3, 3]).transpose([2, 3, 1, 0]) as tf.Tensor4D;
    const features = (x: tf.Tensor): tf.Tensor =>
      tf.conv2d(x as tf.Tensor4D, kernel, 1, 'same').add(tf.tensor1d(bias?.data as Float32Array));
    const model = convolutional(new Student());
    const [x, y] = [imageOf(noise(2, 3)), imageOf(noise(2, 4))];
    const output = (): tf.Tensor => model.apply(x) as tf.Tensor;
    const whole = (perceptual: (a: tf.Tensor, b: tf.Tensor) => tf.Scalar) => (): tf.Scalar =>
      perceptual(y, output()).mul(3).add(tf.losses.absoluteDifference(y, output())) as tf.Scalar;

    const expected = gradientsOf(
      model,
      whole((a, b) => features(b).sub(features(a)).square().mean()),
    );
    const found = gradientsOf(model, whole(loss));
    expect(relativeError([found.value], [expected.value])).toBeLessThan(1e-5);
    expectGradients(found.gradients, expected.gradients);
    await loss.dispose();
  });

  it('is what model.fit trains with', async () => {
    const loss = await tfLoss(await perceptual('vgg.dynamo'));
    const module = new Student();
    const [compiled, model] = [convolutional(module), convolutional(module)];
    const [x, y] = [imageOf(noise(2, 5)), imageOf(noise(2, 6))];
    const { gradients } = gradientsOf(model, () => loss(y, model.apply(x) as tf.Tensor));
    const moved = await movedBy(compiled, async (optimizer) => {
      compiled.compile({ optimizer, loss });
      await compiled.fit(x, y, { batchSize: 2, verbose: 0 });
    });
    expectGradients(moved, gradients);
    await loss.dispose();
  });
});
