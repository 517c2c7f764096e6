/** Fully connected layers. */
import { nn, type Tensor } from '../../../index.js';
import { activated } from './activation.js';
import { type Converter, holding, type KerasLayer, permuted, type Weight } from './layer.js';
import { fromKeras, toKeras } from './layout.js';

/** x·Wᵀ + b over the last axis in Keras' order; the channels of a feature map. */
class Linear extends nn.Linear {
  static override readonly className = 'Linear';

  override forward(x: Tensor): Tensor {
    return fromKeras(super.forward(toKeras(x)));
  }
}

/** A kernel [in, out]. */
function dense(layer: KerasLayer<{ activation?: string }>): nn.Module {
  const { kernel, bias } = layer.weights as { kernel: Weight; bias?: Weight };
  const [inputs, outputs] = kernel.shape as [number, number];
  const module = new Linear(inputs, outputs, { bias: bias !== undefined });
  return activated(layer, 'linear', holding(module, permuted(kernel, [1, 0]), bias));
}

export const denseLayers: Readonly<Record<string, Converter>> = { Dense: dense };
