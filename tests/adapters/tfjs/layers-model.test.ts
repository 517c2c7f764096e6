/** Whole Keras models as teachers: graphs, names, hooks, gradients, and what is refused. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromLayersModel } from '../../../src/adapters/tfjs/index.js';
import { GlobalPercConfig, GlobalPercLoss, type Model, NormalizedTensorLoss, nn } from '../../../src/index.js';
import { relativeError } from '../../support/run.js';
import { both, images, largestError, ours, randomize, run } from './keras.js';

const { layers } = tf;

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const image = (shape: (number | null)[] = [12, 10, 3]): tf.SymbolicTensor => tf.input({ shape, name: 'image' });
const apply = (layer: tf.layers.Layer, ...inputs: tf.SymbolicTensor[]): tf.SymbolicTensor =>
  layer.apply(inputs.length === 1 ? (inputs[0] as tf.SymbolicTensor) : inputs) as tf.SymbolicTensor;
const conv = (name: string, filters = 4, rest: object = {}): tf.layers.Layer =>
  layers.conv2d({ name, filters, kernelSize: 3, padding: 'same', ...rest });

/** Convolution, norm and activation twice, added to their input. */
function residual(): tf.LayersModel {
  const x = image();
  const stem = apply(conv('stem', 4, { strides: 2, activation: 'relu6' }), x);
  let y = apply(conv('conv'), stem);
  y = apply(layers.batchNormalization({ name: 'norm' }), y);
  y = apply(layers.reLU({ name: 'relu' }), y);
  y = apply(layers.add({ name: 'add' }), stem, y);
  y = apply(layers.maxPooling2d({ name: 'pool', poolSize: 3, strides: 2, padding: 'same' }), y);
  y = apply(layers.dropout({ name: 'dropout', rate: 0.5 }), y);
  y = apply(layers.flatten({ name: 'flat' }), y);
  y = apply(layers.dense({ name: 'head', units: 5, activation: 'softmax' }), y);
  return tf.model({ inputs: x, outputs: y });
}

/** One convolution and one inner model on two branches. */
function shared(): tf.LayersModel {
  const x = image();
  const inside = tf.input({ shape: [12, 10, 4] });
  const inner = tf.model({
    name: 'inner',
    inputs: inside,
    outputs: apply(layers.add({ name: 'sum' }), inside, apply(conv('a', 4, { activation: 'tanh' }), inside)),
  });
  const twice = conv('twice');
  const left = apply(inner, apply(twice, x));
  const right = apply(inner, apply(twice, apply(layers.leakyReLU({ name: 'leaky' }), x)));
  return tf.model({ inputs: x, outputs: apply(layers.concatenate({ name: 'cat' }), left, right) });
}

/** A sequential model that begins with another one. */
const nested = (): tf.LayersModel =>
  tf.sequential({
    layers: [
      tf.sequential({
        name: 'trunk',
        layers: [layers.inputLayer({ inputShape: [12, 10, 3] }), conv('a'), layers.elu({ name: 'elu' })],
      }),
      tf.sequential({ name: 'neck', layers: [conv('a', 2, { inputShape: [12, 10, 4] })] }),
      layers.globalAveragePooling2d({ name: 'gap' }),
    ],
  });

/** Channels weighted by what is in them, with merges of two ranks. */
function excited(): tf.LayersModel {
  const x = image();
  const features = apply(conv('conv'), x);
  const means = apply(layers.globalAveragePooling2d({ name: 'means' }), features);
  const weights = apply(layers.dense({ name: 'weights', units: 4, activation: 'sigmoid' }), means);
  const asImage = apply(layers.reshape({ name: 'asImage', targetShape: [1, 1, 4] }), weights);
  const scaled = apply(layers.multiply({ name: 'scaled' }), features, asImage);
  return tf.model({ inputs: x, outputs: apply(layers.multiply({ name: 'again' }), scaled, weights) });
}

/** Every merge, on inputs of three and of two kinds. */
function merges(): tf.LayersModel {
  const x = image();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => apply(conv(name), x)) as [
    tf.SymbolicTensor,
    tf.SymbolicTensor,
    tf.SymbolicTensor,
  ];
  return tf.model({
    inputs: x,
    outputs: [
      apply(layers.add({}), a, b, c),
      apply(layers.multiply({}), a, b, c),
      apply(layers.average({}), a, b, c),
      apply(layers.maximum({}), a, b, c),
      apply(layers.minimum({}), a, b, c),
      ...[-1, 1, 2].map((axis) => apply(layers.concatenate({ axis }), a, b)),
      apply(layers.concatenate({ axis: 1 }), ...[a, b].map((y) => apply(layers.flatten({}), y))),
      apply(layers.concatenate({ axis: -1 }), ...[a, b].map((y) => apply(layers.reshape({ targetShape: [-1, 4] }), y))),
    ],
  });
}

const paths = (teacher: Model): string[] =>
  teacher.calls.map(({ path, class: name, call }) => `${path}#${call} ${name}`);

const MODELS: Readonly<Record<string, () => tf.LayersModel>> = { residual, shared, nested, excited, merges };

describe('a model', () => {
  it.each(Object.keys(MODELS))('%s gives what TensorFlow.js gives', async (name) => {
    const model = randomize((MODELS[name] as () => tf.LayersModel)());
    const { expected, actual } = await both(model, images([2, 12, 10, 3]));
    expect(actual.length).toBe(model.outputs.length);
    for (const [i, output] of expected.entries()) expect(largestError(actual[i], output)).toBeLessThan(1e-5);
  });

  it('has the modules of its layers, those with an activation in two', async () => {
    expect(paths(await fromLayersModel(randomize(residual())))).toEqual([
      'stem.conv#0 Conv2d',
      'stem.activation#0 ReLU6',
      'stem#0 Conv2D',
      'conv#0 Conv2d',
      'norm#0 BatchNorm2d',
      'relu#0 ReLU',
      'add#0 Add',
      'pool#0 MaxPool2d',
      'flat#0 Flatten',
      'head.linear#0 Linear',
      'head.activation#0 Softmax',
      'head#0 Dense',
    ]);
  });

  it('names modules of inner models below them, and counts calls of shared ones', async () => {
    expect(paths(await fromLayersModel(shared())).sort()).toEqual([
      'cat#0 Concatenate',
      'inner#0 Model',
      'inner#1 Model',
      ...['inner.a#0 Conv2D', 'inner.a#1 Conv2D', 'inner.a.activation#0 Tanh', 'inner.a.activation#1 Tanh'],
      ...['inner.a.conv#0 Conv2d', 'inner.a.conv#1 Conv2d', 'inner.sum#0 Add', 'inner.sum#1 Add'],
      ...['leaky#0 LeakyReLU', 'twice#0 Conv2d', 'twice#1 Conv2d'],
    ]);
    expect(paths(await fromLayersModel(nested()))).toEqual([
      ...['trunk.a#0 Conv2d', 'trunk.elu#0 ELU', 'trunk#0 Sequential'],
      ...['neck.a#0 Conv2d', 'neck#0 Sequential', 'gap#0 AdaptiveAvgPool2d'],
    ]);
  });

  it('has activations as the Keras layers return them', async () => {
    const model = randomize(residual());
    const teacher = await fromLayersModel(model);
    const x = images([2, 12, 10, 3]);
    const names = ['stem', 'conv', 'norm', 'relu', 'add', 'pool', 'flat', 'head'];
    const outputs = names.map((name) => model.getLayer(name).output as tf.SymbolicTensor);
    const expected = (tf.model({ inputs: model.inputs, outputs }).predict(x) as tf.Tensor[]).map(ours);
    teacher.graph.outputs = names.map((name) => {
      const call = teacher.calls.find(({ path }) => path === name);
      return call?.output as Model['graph']['outputs'][number];
    });
    const actual = await run(teacher, x);
    for (const [i, output] of expected.entries()) expect(largestError(actual[i], output), names[i]).toBeLessThan(1e-5);
  });

  it('takes any batch, and any size that its layers take', async () => {
    const model = randomize(
      tf.sequential({
        layers: [conv('a', 4, { strides: 2, inputShape: [null, null, 3] }), layers.globalMaxPooling2d({})],
      }),
    );
    const teacher = await fromLayersModel(model);
    for (const shape of [
      [1, 9, 14, 3],
      [3, 32, 5, 3],
    ]) {
      const x = images(shape);
      expect(largestError((await run(teacher, x))[0], ours(model.predict(x) as tf.Tensor))).toBeLessThan(1e-5);
    }
  });

  it('of open size can be told one', async () => {
    const model = tf.sequential({
      layers: [conv('a', 4, { inputShape: [null, null, 3] }), layers.reshape({ targetShape: [6, 6, 4] })],
    });
    await expect(fromLayersModel(model)).rejects.toThrow(/input/);
    expect((await fromLayersModel(model, { input: [1, 3, 4, 9] })).accepts).toBe('[batch, 3, 4, 9]');
  });

  it('leaves no tensors behind, nor needs the model any more', async () => {
    const model = randomize(residual());
    const x = images([2, 12, 10, 3]);
    const expected = ours(model.predict(x) as tf.Tensor);
    const before = tf.memory().numTensors;
    const teacher = await fromLayersModel(model);
    expect(tf.memory().numTensors).toBe(before);
    for (const { val } of model.weights as unknown as { val: tf.Variable }[]) val.assign(tf.zerosLike(val));
    model.dispose();
    expect(largestError((await run(teacher, x))[0], expected)).toBeLessThan(1e-5);
  });
});

describe('a loss', () => {
  it("has the value and gradient of TensorFlow.js' own", async () => {
    const model = randomize(residual());
    const hooked = ['stem', 'norm', 'add', 'pool', 'head'];
    const features = tf.model({
      inputs: model.inputs,
      outputs: hooked.map((name) => model.getLayer(name).output as tf.SymbolicTensor),
    });
    const [pred, target] = [images([2, 12, 10, 3], 5), images([2, 12, 10, 3], 6)];
    const theirs = (x: tf.Tensor): tf.Scalar => {
      const [a, b] = [features.apply(x), features.apply(target)] as [tf.Tensor[], tf.Tensor[]];
      return tf.addN(a.map((value, i) => tf.mean(tf.squaredDifference(value, b[i] as tf.Tensor)))) as tf.Scalar;
    };
    const expected = tf.valueAndGrad(theirs)(pred);

    const config = new GlobalPercConfig({
      modulesToHook: hooked.map((name) => new RegExp(`^${name}$`)),
      startWeight: 1,
      endWeight: 1,
      lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'),
      printData: false,
    });
    await using loss = new GlobalPercLoss(await fromLayersModel(model), config);
    const [a, b] = [pred, target].map((x) => {
      const { dims, data } = ours(x);
      return { dims, data: data as Float32Array };
    }) as [{ dims: number[]; data: Float32Array }, { dims: number[]; data: Float32Array }];
    const { value, grad, hooks } = await loss.valueAndGrad(a, b);
    expect(hooks.map(({ path }) => path)).toEqual(hooked);
    expect(value).toBeCloseTo(expected.value.dataSync()[0] as number, 4);
    expect(relativeError(grad.data as Float32Array, ours(expected.grad).data)).toBeLessThan(1e-4);
  });

  it('hooks by class', async () => {
    const config = new GlobalPercConfig({ modulesToHook: [nn.Conv2d, nn.Linear], printData: false });
    await using loss = new GlobalPercLoss(await fromLayersModel(randomize(residual())), config);
    const random = (seed: number) => ({ dims: [1, 3, 12, 10], data: images([1, 12, 10, 3], seed).dataSync() });
    const { hooks } = await loss.valueAndGrad(random(1), random(2));
    expect(hooks.map(({ path }) => path)).toEqual(['stem.conv', 'conv', 'head.linear']);
  });
});
