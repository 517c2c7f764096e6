/** Layers of several inputs. */
import { concat, type Tensor } from '../../../index.js';
import { Computed } from './computed.js';
import { type Converter, type KerasLayer, refuse } from './layer.js';
import { axisOf, reshapeSamples, toKeras } from './layout.js';

/** As Keras broadcasts: an input of lower rank gets axes of size 1 behind the batch. */
function atRank(x: Tensor, rank: number): Tensor {
  if (x.rank === rank) return x;
  return reshapeSamples(x, [...new Array<number>(rank - x.rank).fill(1), ...toKeras(x).shape.slice(1)]);
}

/** A layer that merges inputs of one rank. */
const merging =
  (merge: (inputs: readonly Tensor[]) => Tensor): Converter =>
  ({ className }) =>
    new Computed(className, (...inputs) => {
      const rank = Math.max(...inputs.map((x) => x.rank));
      return merge(inputs.map((x) => atRank(x, rank)));
    });

const sum = (inputs: readonly Tensor[]): Tensor => inputs.reduce((a, b) => a.add(b));

function concatenate(layer: KerasLayer<{ axis: number }>): Computed {
  const { axis } = layer.config;
  if (axis < -1) refuse(layer, `TensorFlow.js joins along the last axis for axis ${axis}; count it from the front`);
  return new Computed(layer.className, (...inputs) => concat(inputs, axisOf(axis, (inputs[0] as Tensor).rank)));
}

export const mergeLayers: Readonly<Record<string, Converter>> = {
  Add: merging(sum),
  Multiply: merging((inputs) => inputs.reduce((a, b) => a.mul(b))),
  Average: merging((inputs) => sum(inputs).mul(1 / inputs.length)),
  Maximum: merging((inputs) => inputs.reduce((a, b) => a.maximum(b))),
  Minimum: merging((inputs) => inputs.reduce((a, b) => a.minimum(b))),
  Concatenate: concatenate,
};
