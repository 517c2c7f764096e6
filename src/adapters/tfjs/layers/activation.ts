/** Activations: as arguments of other layers and as layers. */
import { GlobalPercError, nn, type Tensor } from '../../../index.js';
import { Computed } from './computed.js';
import { type Converter, type KerasLayer, permuted, refuse, type Weight } from './layer.js';
import { axisOf, emit, float } from './layout.js';

/** Softmax along an axis of Keras. */
const softmaxAlong = (axis: number): nn.Module =>
  new Computed('Softmax', (x) => nn.functional.softmax(x, axisOf(axis, x.rank)));

/** min(max(x/5 + 1/2, 0), 1); PyTorch's has a slope of 1/6. */
const hardSigmoid = (x: Tensor): Tensor => emit('HardSigmoid', [x], { alpha: float(0.2), beta: float(0.5) });

/** By the name that Keras gives them. */
const ACTIVATIONS: Readonly<Record<string, () => nn.Module>> = {
  linear: () => new nn.Identity(),
  relu: () => new nn.ReLU(),
  relu6: () => new nn.ReLU6(),
  elu: () => new nn.ELU(),
  selu: () => new Computed('SELU', (x) => emit('Selu', [x])),
  sigmoid: () => new nn.Sigmoid(),
  hardSigmoid: () => new Computed('Hardsigmoid', hardSigmoid),
  tanh: () => new nn.Tanh(),
  softmax: () => softmaxAlong(-1),
  logSoftmax: () => new Computed('LogSoftmax', (x) => nn.functional.logSoftmax(x, axisOf(-1, x.rank))),
  softplus: () => new nn.Softplus(),
  softsign: () => new Computed('Softsign', (x) => emit('Softsign', [x])),
  swish: () => new nn.SiLU(),
  mish: () => new nn.Mish(),
  gelu: () => new nn.GELU(),
  gelu_new: () => new nn.GELU({ approximate: 'tanh' }),
};

/** A layer and the activation that is its argument: together what the Keras layer is. */
class Activated extends nn.Module {
  private override readonly name: string;
  private readonly parts: readonly [layer: [string, nn.Module], activation: [string, nn.Module]];

  constructor(name: string, layer: [string, nn.Module], activation: nn.Module) {
    super();
    this.name = name;
    this.parts = [layer, ['activation', activation]];
  }

  override get className(): string {
    return this.name;
  }

  override namedChildren(): [string, nn.Module][] {
    return [...this.parts];
  }

  override forward(x: Tensor): Tensor {
    return this.parts.reduce((value, [, part]) => part(value), x);
  }
}

/** The activation that an argument names. @throws GlobalPercError where it is not known. */
export function activationOf(layer: KerasLayer<{ activation?: string }>): nn.Module {
  const name = layer.config.activation ?? 'linear';
  const make = ACTIVATIONS[name];
  if (make) return make();
  return refuse(layer, `activation '${name}' is not supported; there are ${Object.keys(ACTIVATIONS).join(', ')}`);
}

/** A layer's module alone, or as `part` beside its activation. */
export function activated(layer: KerasLayer<{ activation?: string }>, part: string, module: nn.Module): nn.Module {
  const activation = activationOf(layer);
  return activation instanceof nn.Identity ? module : new Activated(layer.className, [part, module], activation);
}

/** Slopes below 0, one for each element of a sample or shared along axes of size 1. */
class PReLU extends nn.Module {
  static readonly className = 'PReLU';
  readonly weight: nn.Parameter;

  constructor(slopes: nn.Parameter) {
    super();
    this.weight = slopes;
  }

  /** @throws GlobalPercError when there are slopes for samples of another size. */
  override forward(x: Tensor): Tensor {
    const [slopes, sample] = [this.weight.shape, x.shape.slice(1)];
    if (slopes.some((size, axis) => size !== 1 && size !== sample[axis])) {
      throw new GlobalPercError(`PReLU: slopes of shape [${slopes}] do not fit samples of shape [${sample}]`, {
        code: 'invalid-argument',
      });
    }
    return emit('PRelu', [x, this.read(this.weight, x)]);
  }
}

/** The slopes of Keras, [H, W, C] with 1 for shared axes, become [C, H, W]. */
function prelu({ weights, inputShape }: KerasLayer): nn.Module {
  const { alpha } = weights as { alpha: Weight };
  const order = inputShape.length === 4 ? [2, 0, 1] : alpha.shape.map((_, axis) => axis);
  return new PReLU(
    new nn.Parameter(
      order.map((axis) => alpha.shape[axis] as number),
      permuted(alpha, order),
    ),
  );
}

function relu({ config: { maxValue } }: KerasLayer<{ maxValue?: number | null }>): nn.Module {
  if (maxValue === undefined || maxValue === null) return new nn.ReLU();
  if (maxValue === 6) return new nn.ReLU6();
  const scalar = (x: Tensor, value: number): Tensor => x.graph.scalar(value, x.dtype);
  return new Computed('Hardtanh', (x) => emit('Clip', [x, scalar(x, 0), scalar(x, maxValue)]));
}

/** x, or 0 up to θ. */
const thresholdedRelu = ({ config }: KerasLayer<{ theta: number }>): nn.Module =>
  new Computed('Threshold', (x) => emit('ThresholdedRelu', [x], { alpha: float(config.theta) }));

function softmax(layer: KerasLayer<{ axis: number | number[] }>): nn.Module {
  const [axis, ...more] = [layer.config.axis].flat() as [number, ...number[]];
  return more.length === 0 ? softmaxAlong(axis) : refuse(layer, 'softmax over several axes is not supported');
}

export const activationLayers: Readonly<Record<string, Converter>> = {
  Activation: activationOf,
  ReLU: relu,
  LeakyReLU: ({ config }: KerasLayer<{ alpha: number }>) => new nn.LeakyReLU(config.alpha),
  PReLU: prelu,
  ELU: () => new nn.ELU(),
  ThresholdedReLU: thresholdedRelu,
  Softmax: softmax,
};
