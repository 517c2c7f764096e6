/** A teacher of several inputs – latents, a timestep, a prompt – gives the same loss and gradient on every road. */
import { numpy as np } from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { jaxLoss } from '../../src/adapters/jax/index.js';
import { tfLoss, tfStep } from '../../src/adapters/tfjs/index.js';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  type Loss,
  loadModel,
  nn,
  optim,
  type TensorLike,
  Trainer,
} from '../../src/index.js';
import { input, intTensor, modelBytes } from '../onnx/build.js';
import { relativeError } from '../support/run.js';

const DIMS = [2, 4, 6, 6];
const wave = (seed: number, dims: readonly number[]) => ({
  dims: [...dims],
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(seed * (i + 1))),
});
const [pred, target] = [wave(1, DIMS), wave(2, DIMS)];
const inputs = { timestep: { dims: [2], data: [3, 5] }, prompt: wave(3, [2, 4, 7]) };

/** relu(sample · mean of the prompt + timestep) */
const bytes = modelBytes({
  inputs: [
    input('sample', ['batch', 4, 'height', 'width']),
    input('timestep', ['batch'], ElementType.INT64),
    input('prompt', ['batch', 4, 'tokens']),
  ],
  nodes: [
    ['ReduceMean', ['prompt', 'axis'], ['mean'], { keepdims: 1 }],
    ['Unsqueeze', ['mean', 'axis'], ['text']],
    ['Cast', ['timestep'], ['time'], { to: ElementType.FLOAT }],
    ['Unsqueeze', ['time', 'axes'], ['times']],
    ['Mul', ['sample', 'text'], ['conditioned']],
    ['Add', ['conditioned', 'times'], ['timed']],
    ['Relu', ['timed'], ['y']],
  ],
  initializers: [intTensor('axis', [-1]), intTensor('axes', [1, 2, 3])],
});

const lossOf = async (): Promise<GlobalPercLoss> =>
  new GlobalPercLoss(
    await loadModel(bytes, { input: 'sample' }),
    new GlobalPercConfig({ lossFunc: new nn.MSELoss(), printData: false }),
  );

let loss: GlobalPercLoss;
let value: number;
let grad: Float32Array;
beforeAll(async () => {
  loss = await lossOf();
  const computed = await loss.valueAndGrad(pred, target, { inputs });
  [value, grad] = [computed.value, computed.grad.data as Float32Array];
});
afterAll(() => loss.dispose());

function expectSame(found: number, gradient: ArrayLike<number>, factor = 1): void {
  expect(relativeError([found], [factor * value])).toBeLessThan(1e-6);
  expect(
    relativeError(
      gradient,
      grad.map((each) => factor * each),
    ),
  ).toBeLessThan(1e-6);
}

it('encoded targets', async () => {
  const encoded = await loss.encode(target, { inputs });
  const found = await loss.valueAndGrad(pred, encoded, { inputs });
  expectSame(found.value, found.grad.data);
});

it('a weighted sum', async () => {
  await using sum: Loss = new nn.WeightedLoss([
    [loss, 0.5],
    [new nn.L1Loss(), 0],
  ]);
  const found = await sum.valueAndGrad(pred, target, { inputs });
  expectSame(found.value, found.grad.data, 0.5);
});

it('without promises', async () => {
  const { valueAndGrad } = await loss.synchronous();
  const found = valueAndGrad(pred, target, { inputs });
  expectSame(found.value, found.grad.data);
});

it('a compiled file', async () => {
  const file = await loadModel(await loss.compile(DIMS, { inputs }), { input: 'pred' });
  expect(file.openInputs.map(({ name }) => name)).toEqual(['target', 'timestep', 'prompt']);
});

it('a Trainer, which is told the shapes that the file leaves open', async () => {
  class Bias extends nn.Module {
    readonly bias = new nn.Parameter(DIMS);
    override forward(x: Parameters<nn.Conv2d['forward']>[0]) {
      return x.add(this.read(this.bias, x));
    }
  }
  const student = new Bias();
  const options = { batch: DIMS, lossInputs: { timestep: [2], prompt: [2, 4, 7] } };
  await using trainer = await Trainer.create(student, loss, new optim.SGD({ lr: 1 }), options);
  const result = await trainer.step(pred, target, { inputs });
  await trainer.synchronize();
  expectSame(
    result.loss,
    student.bias.data.map((each) => -each),
  );
  expect((await trainer.evaluate(pred, target, { inputs })).loss).toBeLessThan(value);
});

const last = ({ dims, data }: TensorLike): tf.Tensor =>
  tf.transpose(tf.tensor(data as Float32Array, [...dims]), [0, 2, 3, 1]);

it('TensorFlow.js', async () => {
  await tf.setBackend('cpu');
  const own = await tfLoss(loss);
  const found = tf.valueAndGrad((x: tf.Tensor) => own(last(target), x, { inputs }))(last(pred));
  expectSame((await found.value.data())[0] as number, await tf.transpose(found.grad, [0, 3, 1, 2]).data());
  const model = tf.sequential({
    layers: [
      tf.layers.activation({ activation: 'linear', inputShape: [6, 6, 4] }),
      tf.layers.conv2d({ filters: 4, kernelSize: 1 }),
    ],
  });
  const step = tfStep(loss);
  const before = await step(model, tf.train.sgd(0.1), last(pred), last(target), { inputs });
  expect(await step(model, tf.train.sgd(0.1), last(pred), last(target), { inputs })).toBeLessThan(before);
});

it('jax-js', async () => {
  const array = ({ dims, data }: TensorLike) => np.array(data as Float32Array<ArrayBuffer>, { shape: [...dims] });
  const found = await jaxLoss(loss)(array(pred), array(target), { inputs });
  expectSame(found.value.item(), await found.grad.data());
});
