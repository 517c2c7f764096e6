/** Students of our nn once more in TensorFlow.js. */
import * as tf from '@tensorflow/tfjs';
import { nn, type Tensor, type TensorLike } from '../../../src/index.js';
import type { Student } from '../student.js';

/** An image batch `[B, C, H, W]` as TensorFlow.js has it, `[B, H, W, C]`. */
export const imageOf = ({ data, dims }: TensorLike): tf.Tensor =>
  tf.tidy(() => tf.transpose(tf.tensor(data as Float32Array, [...dims]), [0, 2, 3, 1]));

/** A 1×1 convolution, as a dense layer is for every pixel. TensorFlow.js' WebAssembly has no weight gradient of others. */
export class PointwiseStudent extends nn.Module {
  readonly first = new nn.Conv2d(3, 6, 1);
  readonly relu = new nn.ReLU();
  readonly second = new nn.Conv2d(6, 3, 1);

  override forward(x: Tensor): Tensor {
    return x.add(this.second(this.relu(this.first(x))));
  }
}

interface Layers {
  readonly first: tf.layers.Layer;
  readonly second: tf.layers.Layer;
}

function residual(module: nn.Module, { first, second }: Layers): tf.LayersModel {
  const x = tf.input({ shape: [null, null, 3] });
  const hidden = tf.layers.reLU().apply(first.apply(x));
  const output = tf.layers.add().apply([x, second.apply(hidden) as tf.SymbolicTensor]) as tf.SymbolicTensor;
  const model = tf.model({ inputs: x, outputs: output });
  for (const [name, layer] of Object.entries({ first, second })) setWeights(layer, module.stateDict(), name);
  return model;
}

function setWeights(layer: tf.layers.Layer, state: ReturnType<nn.Module['stateDict']>, name: string): void {
  tf.tidy(() => {
    const kernel = state[`${name}.weight`] as TensorLike;
    const spatial = tf.transpose(tf.tensor(kernel.data as Float32Array, [...kernel.dims]), [2, 3, 1, 0]);
    const bias = tf.tensor1d(state[`${name}.bias`]?.data as Float32Array);
    layer.setWeights([spatial.reshape((layer.weights[0] as unknown as { shape: number[] }).shape), bias]);
  });
}

/** `Student` in TensorFlow.js. */
export const convolutional = (module: Student): tf.LayersModel =>
  residual(module, {
    first: tf.layers.conv2d({ filters: 6, kernelSize: 3, padding: 'same' }),
    second: tf.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }),
  });

/** `PointwiseStudent` in TensorFlow.js. */
export const pointwise = (module: PointwiseStudent): tf.LayersModel =>
  residual(module, { first: tf.layers.dense({ units: 6 }), second: tf.layers.dense({ units: 3 }) });

/** Kernels and biases, or what belongs to them, by the names and in the layout of our nn. */
export function byOurNames(tensors: readonly tf.Tensor[]): Record<string, Float32Array> {
  const names = ['first.weight', 'first.bias', 'second.weight', 'second.bias'];
  return Object.fromEntries(names.map((name, i) => [name, ours(tensors[i] as tf.Tensor)]));
}

const ours = (tensor: tf.Tensor): Float32Array =>
  tf.tidy(() => {
    if (tensor.rank === 4) return tensor.transpose([3, 2, 0, 1]).dataSync() as Float32Array;
    return (tensor.rank === 2 ? tensor.transpose() : tensor).dataSync() as Float32Array;
  });
