/** Keras models that are no teachers, and why. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromLayersModel } from '../../../src/adapters/tfjs/index.js';
import { GlobalPercError } from '../../../src/index.js';

const { layers } = tf;

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const image = (): tf.SymbolicTensor => tf.input({ shape: [12, 10, 3] });
const joined = (layer: tf.layers.Layer, ...inputs: tf.SymbolicTensor[]): tf.LayersModel =>
  tf.model({ inputs: inputs[0] as tf.SymbolicTensor, outputs: layer.apply(inputs) as tf.SymbolicTensor });

class Doubling extends tf.layers.Layer {
  static className = 'Doubling';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.mul([inputs].flat()[0] as tf.Tensor, 2);
  }
}

const only = (layer: tf.layers.Layer, inputShape: (number | null)[] = [8, 8, 3]): tf.LayersModel =>
  tf.sequential({ layers: [layers.inputLayer({ inputShape }), layer] });

const FAULTS: Readonly<Record<string, [() => unknown, RegExp]>> = {
  'a class of layers': [
    () => only(new Doubling({ name: 'mine' })),
    /'mine' \(Doubling\): this class is not supported; there are Conv2D, .*Concatenate/,
  ],
  'a recurrent layer': [
    () =>
      tf.sequential({
        layers: [
          layers.reshape({ targetShape: [-1, 3], inputShape: [8, 8, 3] }),
          layers.gru({ name: 'gru', units: 2 }),
        ],
      }),
    /'gru' \(GRU\): this class is not supported/,
  ],
  channelsFirst: [
    () => only(layers.conv2d({ name: 'c', filters: 1, kernelSize: 1, dataFormat: 'channelsFirst' })),
    /'c' \(Conv2D\): dataFormat 'channelsFirst'/,
  ],
  'a dilated depthwise convolution': [
    () => only(layers.depthwiseConv2d({ name: 'd', kernelSize: 3, dilationRate: 2 })),
    /'d' \(DepthwiseConv2D\): TensorFlow.js computes it without its dilationRate/,
  ],
  'a maximum with gaps': [
    () => only(layers.maxPooling2d({ name: 'm', poolSize: 2, strides: 3, padding: 'same' })),
    /'m' \(MaxPooling2D\): strides \[3,3\] above poolSize \[2,2\]/,
  ],
  'a batch norm along rows': [
    () => only(layers.batchNormalization({ name: 'n', axis: 1 })),
    /'n' \(BatchNormalization\): normalises axis 1 of 4/,
  ],
  'a concatenation that TensorFlow.js carries out along another axis': [
    () => {
      const x = image();
      return joined(layers.concatenate({ name: 'cat', axis: -2 }), x, layers.reLU().apply(x) as tf.SymbolicTensor);
    },
    /'cat' \(Concatenate\): TensorFlow.js joins along the last axis for axis -2; count it from the front$/,
  ],
  'a layer norm along rows': [
    () => only(layers.layerNormalization({ name: 'n', axis: 1 })),
    /'n' \(LayerNormalization\): normalises axes 1 of 4/,
  ],
  'several inputs': [
    () => {
      const inputs = [image(), image()];
      return tf.model({ inputs, outputs: layers.add({}).apply(inputs) as tf.SymbolicTensor });
    },
    /one input for images.*it has 2/,
  ],
  'no image': [() => only(layers.dense({ units: 1 }), [4]), /one input for images.*float32 \[null, 4\]/],
  'a model that is not built': [() => tf.sequential(), /not built/],
  'a graph model': [() => ({ predict: () => undefined, executor: {} }), /graph model/],
  nothing: [() => undefined, /takes a model of Keras layers/],
  'disposed weights': [
    () => {
      const model = only(layers.dense({ name: 'd', units: 2 }));
      model.dispose();
      return model;
    },
    /'d' \(Dense\): its weight '.*kernel' was disposed/,
  ],
};

describe('refuses', () => {
  it.each(Object.keys(FAULTS))('%s', async (name) => {
    const [make, message] = FAULTS[name] as [() => tf.LayersModel, RegExp];
    const error = await fromLayersModel(make()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).toMatch(message);
  });

  it.each([[[1, 3, 8]], [[1, 1, 8, 8]], [[1, 3, 9, 8]], [[1, 3, 8.5, 8]], [[0, 3, 8, 8]]])(
    'input %j',
    async (input) => {
      await expect(fromLayersModel(only(layers.reLU()), { input })).rejects.toThrow(
        /input should be a shape \[B, C, H, W\]/,
      );
    },
  );
});
