/** A loss inside the training loops of TensorFlow.js: memory, randomness, batch statistics, and what is refused. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type TfLoss, tfLoss, tfStep } from '../../../src/adapters/tfjs/index.js';
import { Generator, GlobalPercError, type GlobalPercLoss, type Loss, nn } from '../../../src/index.js';
import { noise, perceptual } from '../student.js';
import { imageOf } from './student.js';

let own: GlobalPercLoss;
let loss: TfLoss;
beforeAll(async () => {
  await tf.setBackend('cpu');
  own = (await perceptual('vgg.dynamo')) as GlobalPercLoss;
  loss = await tfLoss(own);
  return () => own.dispose();
});
afterEach(() => vi.restoreAllMocks());

const images = (batch: number, seed: number): tf.Tensor => imageOf(noise(batch, seed));

/** A model with everything that a second run could disturb: batch statistics, random masks, penalties, frozen weights. */
function delicate(): tf.Sequential {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [null, null, 3],
        filters: 6,
        kernelSize: 3,
        padding: 'same',
        kernelInitializer: seeded(1),
        kernelRegularizer: tf.regularizers.l2({ l2: 1 }),
      }),
      tf.layers.batchNormalization(),
      tf.layers.dropout({ rate: 0.4 }),
      tf.layers.gaussianNoise({ stddev: 0.1 }),
      tf.layers.conv2d({ filters: 3, kernelSize: 1, kernelInitializer: seeded(2), trainable: false }),
    ],
  });
  return model;
}

/** From here on Math.random draws the same numbers again. */
function seedRandom(): void {
  const generator = new Generator(11);
  vi.spyOn(Math, 'random').mockImplementation(() => generator.uniform());
}

const weightsIn = (model: tf.LayersModel): number[][] => model.getWeights().map((weight) => [...weight.dataSync()]);

describe('memory', () => {
  it('is as before after many steps, synchronous or not', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [null, null, 3], units: 3 })] });
    const optimizer = tf.train.adam(1e-3);
    const step = tfStep(own);
    const [x, y] = [images(1, 1), images(1, 2)];
    const steps: Readonly<Record<string, () => unknown>> = {
      minimize: () => optimizer.minimize(() => loss(y, model.apply(x) as tf.Tensor)),
      step: () => step(model, optimizer, x, y),
    };
    for (const [name, run] of Object.entries(steps)) {
      await run();
      const { numTensors, numBytes } = tf.memory();
      for (let i = 0; i < 20; i += 1) await run();
      expect([tf.memory().numTensors, tf.memory().numBytes], name).toEqual([numTensors, numBytes]);
    }
  });

  it('is tidied as that of other losses: the value alone stays, and goes with tf.tidy', () => {
    const [x, y] = [images(1, 1), images(1, 2)];
    const { numTensors } = tf.memory();
    const value = loss(y, x);
    expect(tf.memory().numTensors).toBe(numTensors + 1);
    expect(value.shape).toEqual([]);
    value.dispose();
    expect(tf.tidy(() => loss(y, x).dataSync()[0])).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(() =>
      loss(
        y,
        tf.tidy(() => x.slice([0, 0, 0, 0], [1, 32, 32, 2])),
      ),
    ).toThrow(GlobalPercError);
    expect(tf.memory().numTensors).toBe(numTensors + 1);
  });

  it('is freed when a step fails, and the model is as before', async () => {
    const [model, optimizer, x] = [delicate(), tf.train.sgd(1), images(2, 1)];
    const before = weightsIn(model);
    const { numTensors } = tf.memory();
    await expect(
      tfStep(own)(
        model,
        optimizer,
        x,
        tf.tidy(() => images(1, 2)),
      ),
    ).rejects.toThrow(/same/);
    expect(tf.memory().numTensors).toBe(numTensors + 1);
    expect(weightsIn(model)).toEqual(before);
  });
});

describe('model.fit', () => {
  it('trains on batches of changing size, evaluates, and the loss falls', async () => {
    const model = delicate();
    const [x, y] = [images(5, 1), images(5, 2)];
    model.compile({ optimizer: tf.train.adam(1e-2), loss });
    const { history } = await model.fit(x, y, { batchSize: 2, epochs: 6, shuffle: false, verbose: 0 });
    const [first = 0] = history.loss as number[];
    expect(history.loss?.at(-1)).toBeLessThan(first);
    const evaluated = model.evaluate(x, y, { batchSize: 5 }) as tf.Scalar;
    const alone = tf.tidy(() => loss(y, model.predict(x) as tf.Tensor).dataSync()[0] as number);
    expect(evaluated.dataSync()[0]).toBeCloseTo(alone, 4);
  });
});

describe('tfStep', () => {
  beforeEach(seedRandom);

  it('does what trainOnBatch does: same masks, batch statistics moved once, penalties counted', async () => {
    const [model, twin] = [delicate(), delicate()];
    const [x, y] = [images(2, 1), images(2, 2)];
    twin.compile({ optimizer: tf.train.sgd(0.01), loss });
    const step = tfStep(own);
    const optimizer = tf.train.sgd(0.01);
    for (let i = 0; i < 3; i += 1) {
      seedRandom();
      await twin.trainOnBatch(x, y);
      seedRandom();
      await step(model, optimizer, x, y);
    }
    const expected = weightsIn(twin);
    for (const [i, weights] of weightsIn(model).entries()) {
      weights.forEach((value, j) => void expect(value).toBeCloseTo(expected[i]?.[j] as number, 5));
    }
    expect(weightsIn(delicate())).not.toEqual(expected);
  });

  it('draws new masks at every step', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dropout({ rate: 0.5, inputShape: [null, null, 3] }),
        tf.layers.dense({ units: 3, kernelInitializer: 'ones' }),
      ],
    });
    const [x, y] = [images(1, 1), images(1, 2)];
    const step = tfStep(own);
    const first = await step(model, tf.train.sgd(0), x, y);
    expect(await step(model, tf.train.sgd(0), x, y)).not.toBeCloseTo(first, 4);
  });

  it('says when the model changed between its two runs, and changes nothing', async () => {
    const model = delicate();
    const [x, y] = [images(1, 1), images(1, 2)];
    const step = tfStep(own)(model, tf.train.sgd(1), x, y);
    const kernel = model.layers[4]?.weights[0];
    kernel?.write(tf.tidy(() => (kernel.read() as tf.Tensor).mul(2)));
    const before = weightsIn(model);
    await expect(step).rejects.toThrow(/runs the model twice, and the outputs differ by .*: await every step/);
    expect(weightsIn(model).slice(0, 6)).toEqual(before.slice(0, 6));
  });

  it('leaves the model as it was where TensorFlow.js has no gradient', async () => {
    const model = delicate();
    const before = weightsIn(model);
    const optimizer = tf.train.sgd(1);
    vi.spyOn(optimizer, 'computeGradients').mockImplementation((run) => {
      run();
      throw new Error('no kernel');
    });
    await expect(tfStep(own)(model, optimizer, images(1, 1), images(1, 2))).rejects.toThrow('no kernel');
    expect(weightsIn(model)).toEqual(before);
  });

  it('says where Math.random cannot be replaced, and that a model has several outputs', async () => {
    const [x, y] = [images(1, 1), images(1, 2)];
    const input = tf.input({ shape: [null, null, 3] });
    const outputs = [1, 2].map(() => tf.layers.dense({ units: 3 }).apply(input) as tf.SymbolicTensor);
    const several = tf.model({ inputs: input, outputs });
    await expect(tfStep(own)(several, tf.train.sgd(1), x, y)).rejects.toThrow(/one output; 'model\d*' has 2/);
    vi.restoreAllMocks();
    const { random } = Math;
    Object.defineProperty(Math, 'random', { value: random, writable: false });
    try {
      await expect(tfStep(own)(delicate(), tf.train.sgd(1), x, y)).rejects.toThrow(/Math.random cannot be replaced/);
    } finally {
      Object.defineProperty(Math, 'random', { value: random, writable: true });
    }
  });
});

describe('is refused with a line', () => {
  const disposed = (): tf.Tensor => {
    const tensor = images(1, 1);
    tensor.dispose();
    return tensor;
  };
  it.each<[string, () => [unknown, unknown], RegExp]>([
    [
      'NCHW',
      () => [tf.zeros([1, 3, 32, 32]), tf.zeros([1, 3, 32, 32])],
      /looks like \[B, C, H, W\], where TensorFlow.js has \[B, H, W, C\]: use tf.transpose\(image, \[0, 2, 3, 1\]\)/,
    ],
    [
      'NCHW of the target alone',
      () => [tf.zeros([1, 3, 32, 32]), images(1, 1)],
      /\[1,3,32,32\] looks like \[B, C, H, W\].*use tf.transpose/,
    ],
    ['no batch axis', () => [tf.zeros([32, 32, 3]), tf.zeros([32, 32, 3])], /no batch axis: use tf.expandDims/],
    ['rank 2', () => [tf.zeros([2, 3]), tf.zeros([2, 3])], /images are \[B, H, W, C\] in TensorFlow.js, got \[2,3\]/],
    ['two sizes', () => [images(2, 1), images(1, 1)], /pred has shape \[1,3,32,32\], target \[2,3,32,32\]/],
    [
      'NaN',
      () => [images(1, 1), tf.tidy(() => images(1, 1).mul(Number.NaN))],
      /NaN.*; shapes and places are in the order \[B, C, H, W\] here, where TensorFlow.js has \[B, H, W, C\]$/,
    ],
    [
      'booleans',
      () => [tf.zeros([1, 32, 32, 3], 'bool'), images(1, 1)],
      /yTrue should be of numbers, got bool: use tensor.toFloat/,
    ],
    ['texts', () => [images(1, 1), tf.tensor(['a'])], /^yPred should be of numbers, got string$/],
    ['a disposed tensor', () => [disposed(), images(1, 1)], /yTrue was disposed before/],
    ['no tensor', () => [{}, images(1, 1)], /yTrue should be a tensor of TensorFlow.js, got an object of class Object/],
    ['arrays', () => [images(1, 1), [[1]]], /^yPred should be a tensor of TensorFlow.js, got an array$/],
    [
      'a symbolic tensor',
      () => [images(1, 1), tf.input({ shape: [32, 32, 3] })],
      /^yPred should be a tensor .* an object of class SymbolicTensor$/,
    ],
    ['one argument', () => [images(1, 1), undefined], /^yPred should be a tensor of TensorFlow.js, got undefined$/],
    ['nothing', () => [undefined, images(1, 1)], /yTrue should be a tensor .* got undefined/],
  ])('%s', (_, arguments_, message) => {
    const [yTrue, yPred] = arguments_() as [tf.Tensor, tf.Tensor];
    expect(() => loss(yTrue, yPred)).toThrow(GlobalPercError);
    expect(() => loss(yTrue, yPred)).toThrow(message);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a promise', () => perceptual('vgg.dynamo'), /takes a loss, such as .*, got a promise: await it first$/],
    ['a model', () => own.model, /got an object of class Model$/],
    ['a configuration', () => own.config, /got an object of class GlobalPercConfig$/],
    ['what tfLoss made', () => loss, /got (a|the) function/],
    ['nothing', () => undefined, /got undefined$/],
  ])('%s instead of a loss', async (_, value, message) => {
    const given = value() as Loss;
    await expect(tfLoss(given)).rejects.toThrow(message);
    expect(() => tfStep(given)).toThrow(GlobalPercError);
    expect(() => tfStep(given)).toThrow(message);
  });

  it('a step without its arguments', async () => {
    const [model, optimizer, x] = [delicate(), tf.train.sgd(1), images(1, 1)];
    const step = tfStep(own) as (...given: unknown[]) => Promise<number>;
    await expect(step(Promise.resolve(model), optimizer, x, x)).rejects.toThrow(
      /^model should .*, got a promise: await/,
    );
    await expect(step(model, 'adam', x, x)).rejects.toThrow(/^optimizer should be .*, got string$/);
    await expect(step(model, optimizer, undefined, x)).rejects.toThrow(/^x should be a tensor .*, got undefined$/);
    await expect(step(model, optimizer, x)).rejects.toThrow(/^y should be a tensor .*, got undefined$/);
    await expect(step(model, optimizer, x, tf.zeros([1, 3, 32, 32]))).rejects.toThrow(/looks like \[B, C, H, W\]/);
  });

  it('nothing about images is said where images do not matter', async () => {
    const pixels = await tfLoss(new nn.L1Loss());
    await pixels.dispose();
    expect(() => pixels(tf.tensor1d([1]), tf.tensor1d([2]))).toThrow(/^this loss was disposed; make a new one$/);
  });

  it('a disposed loss, and a call while another one is not done', async () => {
    const mine = (await perceptual('vgg.dynamo')) as GlobalPercLoss;
    const ours = await tfLoss(mine);
    const running = mine.evaluate(noise(1, 1), noise(1, 2));
    expect(() => ours(images(1, 1), images(1, 2))).toThrow(/asynchronous call of this loss is not done/);
    await running;
    expect(ours(images(1, 1), images(1, 2)).dataSync()[0]).toBeGreaterThan(0);
    await ours.dispose();
    expect(() => ours(images(1, 1), images(1, 2))).toThrow(/this loss was disposed/);
    await expect(tfStep(mine)(delicate(), tf.train.sgd(1), images(1, 1), images(1, 2))).rejects.toThrow(
      /this loss was disposed/,
    );
  });
});
