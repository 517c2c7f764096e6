/** SAM with points and boxes, CLIP with texts, the U-Net with timesteps and texts: PyTorch's loss and gradient on every road. */
import { numpy as np } from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jaxLoss } from '../../src/adapters/jax/index.js';
import { tfLoss } from '../../src/adapters/tfjs/index.js';
import { type GlobalPercLoss, nn, optim, type Tensor, Trainer } from '../../src/index.js';
import { type Style, type Teacher, teachers } from '../support/conditioned.js';

/** Gives what it holds, whatever it is given. */
class Picture extends nn.Module {
  readonly pixels: nn.Parameter;
  constructor({ dims, data }: Teacher['pred']) {
    super();
    this.pixels = new nn.Parameter(dims);
    this.pixels.data = data.slice();
  }
  override forward(x: Tensor): Tensor {
    return x.mul(0).add(this.read(this.pixels, x));
  }
}

const cases = teachers.flatMap((teacher) =>
  (['torchscript', 'dynamo'] as const).map((style): [string, Style, Teacher] => [teacher.label, style, teacher]),
);

describe.each(cases)('%s, %s', (_, style, { pred, target, inputs, hooks, load, expectSame }) => {
  let loss: GlobalPercLoss;
  beforeAll(async () => {
    loss = await load(style);
  });
  afterAll(() => loss.dispose());

  it('direct call', async () => {
    const found = await loss.valueAndGrad(pred, target, { inputs });
    expectSame(found.value, found.grad.data as Float32Array);
    for (const hook of found.hooks) expect(hook.loss, hook.path).toBeCloseTo(hooks[hook.path] as number, 5);
  });

  it('encode', async () => {
    const found = await loss.valueAndGrad(pred, await loss.encode(target, { inputs }), { inputs });
    expectSame(found.value, found.grad.data as Float32Array);
  });

  it('WeightedLoss', async () => {
    await using sum = new nn.WeightedLoss([
      [loss, 0.5],
      [new nn.L1Loss(), 0],
    ]);
    const found = await sum.valueAndGrad(pred, target, { inputs });
    expectSame(found.value, found.grad.data as Float32Array, 0.5);
  });

  it('Trainer', async () => {
    const student = new Picture(pred);
    const lossInputs = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
    const options = { batch: pred.dims, lossInputs };
    await using trainer = await Trainer.create(student, loss, new optim.SGD({ lr: 1 }), options);
    const result = await trainer.step(pred, target, { inputs });
    await trainer.synchronize();
    expectSame(
      result.loss,
      student.pixels.data.map((each, i) => (pred.data[i] as number) - each),
    );
  });

  it('tfLoss', async () => {
    await tf.setBackend('cpu');
    const last = ({ dims, data }: Teacher['pred']) => tf.transpose(tf.tensor(data, dims), [0, 2, 3, 1]);
    const own = await tfLoss(loss);
    const found = tf.valueAndGrad((x: tf.Tensor) => own(last(target), x, { inputs }))(last(pred));
    expectSame((await found.value.data())[0] as number, await tf.transpose(found.grad, [0, 3, 1, 2]).data());
  });

  it('jaxLoss', async () => {
    const array = ({ dims, data }: Teacher['pred']) => np.array(data, { shape: dims });
    const found = await jaxLoss(loss)(array(pred), array(target), { inputs });
    expectSame(found.value.item(), await found.grad.data());
  });

  it('compile', async () => {
    const session = await ort.InferenceSession.create(await loss.compile(pred.dims, { inputs }));
    const given = Object.entries(inputs).map(([name, { dims, data }]) => {
      const described = session.inputMetadata.find((input) => input.name === name) as { type?: string };
      const isInteger = described.type === 'int64';
      const tensor = isInteger
        ? new ort.Tensor('int64', data.map(BigInt), dims)
        : new ort.Tensor('float32', data, dims);
      return [name, tensor] as const;
    });
    const images = Object.entries({ pred, target }).map(
      ([name, { dims, data }]) => [name, new ort.Tensor('float32', data, dims)] as const,
    );
    const found = await session.run(Object.fromEntries([...images, ...given]));
    const numbers = (name: string) => found[name]?.data as Float32Array;
    expectSame(numbers('loss')[0] as number, numbers('grad'));
    await session.release();
  });
});
