/** Normalisations. */
import { nn, type Tensor } from '../../../index.js';
import { type Converter, type KerasLayer, refuse, type Weight } from './layer.js';
import { fromKeras, toKeras } from './layout.js';

interface NormConfig {
  readonly axis: number | readonly number[];
  readonly epsilon: number;
}

/** Sets what a layer has; scale 1 and shift 0 stay where it has none. */
function setAffine(
  { weight, bias }: { weight: nn.Parameter | undefined; bias: nn.Parameter | undefined },
  { gamma, beta }: KerasLayer['weights'],
): void {
  if (weight && gamma) weight.data = gamma.data;
  if (bias && beta) bias.data = beta.data;
}

/** `[B, L, C]`, normalised per channel. */
class SequenceBatchNorm extends nn.BatchNorm1d {
  static override readonly className = 'BatchNorm1d';

  override forward(x: Tensor): Tensor {
    return super.forward(x.swapAxes(1, 2)).swapAxes(1, 2);
  }
}

/** By rank of the input. */
const BATCH_NORMS = new Map<number, typeof nn.BatchNorm1d | typeof nn.BatchNorm2d>([
  [2, nn.BatchNorm1d],
  [3, SequenceBatchNorm],
  [4, nn.BatchNorm2d],
]);

function batchNorm(layer: KerasLayer<NormConfig>): nn.Module {
  const { inputShape, config, weights } = layer;
  // Keras writes the axis as a list too.
  const [rank, [axis]] = [inputShape.length, [config.axis].flat() as [number]];
  const BatchNorm = BATCH_NORMS.get(rank);
  if (BatchNorm === undefined || (axis !== -1 && axis !== rank - 1)) {
    return refuse(layer, `normalises axis ${axis} of ${rank}; supported is the last axis of 2 to 4`);
  }
  const { moving_mean: mean, moving_variance: variance } = weights as Readonly<Record<string, Weight>> & {
    moving_mean: Weight;
    moving_variance: Weight;
  };
  const module = new BatchNorm(mean.data.length, { eps: config.epsilon });
  setAffine(module, weights);
  if (module.running_mean) module.running_mean.data = mean.data;
  if (module.running_var) module.running_var.data = variance.data;
  return module;
}

/** Over the last dimensions in Keras' order. */
class LayerNorm extends nn.LayerNorm {
  static override readonly className = 'LayerNorm';

  override forward(x: Tensor): Tensor {
    return fromKeras(super.forward(toKeras(x)));
  }
}

function layerNorm(layer: KerasLayer<NormConfig>): nn.Module {
  const { inputShape, config, weights } = layer;
  const axes = [config.axis].flat().map((axis) => (axis < 0 ? axis + inputShape.length : axis));
  const normalized = inputShape.slice(inputShape.length - axes.length);
  if (axes.some((axis, i) => axis !== inputShape.length - axes.length + i)) {
    refuse(
      layer,
      `normalises axes ${axes.join(', ')} of ${inputShape.length}; supported are the last ones in their order`,
    );
  }
  if (normalized.includes(null))
    refuse(layer, `normalises axes of open size: [${inputShape.map((dim) => dim ?? 'null')}]`);
  const module = new LayerNorm(normalized as number[], { eps: config.epsilon });
  setAffine(module, weights);
  return module;
}

export const normalizationLayers: Readonly<Record<string, Converter>> = {
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
};
