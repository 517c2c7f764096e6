/** Elementwise functions, softmax, and their layers. */
import { float, int, normalizeAxis, oneOf, string, type Tensor } from '../graph/index.js';
import { perChannel } from '../ops/index.js';
import { constant } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount, requireShape } from './sizes.js';

const emit = (op: string, x: Tensor): Tensor => x.graph.emit(op, [x])[0] as Tensor;

/** max(x, 0) */
export const relu = (x: Tensor): Tensor => x.relu();
/** min(max(x, 0), 6) */
export const relu6 = (x: Tensor): Tensor =>
  x.graph.emit('Clip', [x, x.graph.scalar(0, x.dtype), x.graph.scalar(6, x.dtype)])[0] as Tensor;
/** x, or slope·x below 0 */
export const leakyRelu = (x: Tensor, negativeSlope = 0.01): Tensor => x.unary('LeakyRelu', negativeSlope);
/** x, or weight·x below 0; one weight for all or one per channel (dimension 1) */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  const slopes = weight.size === 1 ? weight : perChannel(weight, x.rank);
  return x.graph.emit('PRelu', [x, slopes])[0] as Tensor;
}
/** x, or α·(eˣ − 1) below 0 */
export const elu = (x: Tensor, alpha = 1): Tensor => x.unary('Elu', alpha);
/** x·Φ(x), Φ by erf or by its tanh approximation */
export function gelu(x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor {
  const kind = oneOf(approximate, ['none', 'tanh'], 'gelu: approximate');
  return x.graph.emit('Gelu', [x], { approximate: string(kind) })[0] as Tensor;
}
/** x·σ(x) */
export const silu = (x: Tensor): Tensor => x.mul(x.sigmoid());
/** x·tanh(ln(1 + eˣ)) */
export const mish = (x: Tensor): Tensor => emit('Mish', x);
/** x·min(max(x/6 + 1/2, 0), 1) */
export const hardswish = (x: Tensor): Tensor => emit('HardSwish', x);
/** min(max(x/6 + 1/2, 0), 1) */
export const hardsigmoid = (x: Tensor): Tensor =>
  x.graph.emit('HardSigmoid', [x], { alpha: float(1 / 6), beta: float(0.5) })[0] as Tensor;
/** 1/(1 + e⁻ˣ) */
export const sigmoid = (x: Tensor): Tensor => x.sigmoid();
export const tanh = (x: Tensor): Tensor => x.tanh();
/** Options of softplus. */
export interface SoftplusOptions {
  /** Sharpness of the bend. Default 1. */
  readonly beta?: number;
  /** From β·x above this on, x itself. Default 20. */
  readonly threshold?: number;
}
/** ln(1 + e^βx)/β, or x where β·x exceeds the threshold */
export function softplus(x: Tensor, { beta = 1, threshold = 20 }: SoftplusOptions = {}): Tensor {
  const scaled = beta === 1 ? x : x.mul(beta);
  const bent = beta === 1 ? emit('Softplus', x) : emit('Softplus', scaled).mul(1 / beta);
  // From 20 on, the two are one number in float32.
  return threshold >= 20 ? bent : scaled.greater(threshold).where(x, bent);
}
/** eˣ/Σeˣ along `dim` */
export const softmax = (x: Tensor, dim: number): Tensor => x.softmax(normalizeAxis(dim, x.rank));
/** x − ln Σeˣ along `dim` */
export const logSoftmax = (x: Tensor, dim: number): Tensor =>
  x.graph.emit('LogSoftmax', [x], { axis: int(normalizeAxis(dim, x.rank)) })[0] as Tensor;

/** max(x, 0) (https://pytorch.org/docs/stable/generated/torch.nn.ReLU.html) */
export class ReLU extends Module {
  static readonly className = 'ReLU';
  override forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** min(max(x, 0), 6) (https://pytorch.org/docs/stable/generated/torch.nn.ReLU6.html) */
export class ReLU6 extends Module {
  static readonly className = 'ReLU6';
  override forward(x: Tensor): Tensor {
    return relu6(x);
  }
}

/** x, or slope·x below 0 (https://pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html) */
export class LeakyReLU extends Module {
  static readonly className = 'LeakyReLU';
  readonly negativeSlope: number;
  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = negativeSlope;
  }
  override forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}

/** Options of PReLU. */
export interface PReLUOptions {
  /** 1, or the number of channels. Default 1. */
  readonly numParameters?: number;
  /** What the slopes start with. Default 0.25. */
  readonly init?: number;
}

/** x, or a learned slope times x below 0 (https://pytorch.org/docs/stable/generated/torch.nn.PReLU.html) */
export class PReLU extends Module {
  static readonly className = 'PReLU';
  readonly weight: Parameter;
  constructor({ numParameters = 1, init = 0.25 }: PReLUOptions = {}) {
    super();
    this.weight = constant(new Parameter([requireCount(numParameters, 'PReLU: numParameters')]), init);
  }
  /** @throws GlobalPercError when there is one slope per channel, and x has another number of channels. */
  override forward(x: Tensor): Tensor {
    const [slopes] = this.weight.shape as [number];
    if (slopes > 1) requireShape(this.className, x, ['B', slopes, '…']);
    return prelu(x, this.read(this.weight, x));
  }
}

/** x, or α·(eˣ − 1) below 0 (https://pytorch.org/docs/stable/generated/torch.nn.ELU.html) */
export class ELU extends Module {
  static readonly className = 'ELU';
  readonly alpha: number;
  constructor(alpha = 1) {
    super();
    this.alpha = alpha;
  }
  override forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/** Options of GELU. */
export interface GELUOptions {
  /** `tanh` takes the approximation. Default `none`. */
  readonly approximate?: 'none' | 'tanh';
}

/** x·Φ(x) (https://pytorch.org/docs/stable/generated/torch.nn.GELU.html) */
export class GELU extends Module {
  static readonly className = 'GELU';
  readonly approximate: 'none' | 'tanh';
  constructor({ approximate = 'none' }: GELUOptions = {}) {
    super();
    this.approximate = approximate;
  }
  override forward(x: Tensor): Tensor {
    return gelu(x, this.approximate);
  }
}

/** x·σ(x) (https://pytorch.org/docs/stable/generated/torch.nn.SiLU.html) */
export class SiLU extends Module {
  static readonly className = 'SiLU';
  override forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x·tanh(ln(1 + eˣ)) (https://pytorch.org/docs/stable/generated/torch.nn.Mish.html) */
export class Mish extends Module {
  static readonly className = 'Mish';
  override forward(x: Tensor): Tensor {
    return mish(x);
  }
}

/** x·min(max(x/6 + 1/2, 0), 1) (https://pytorch.org/docs/stable/generated/torch.nn.Hardswish.html) */
export class Hardswish extends Module {
  static readonly className = 'Hardswish';
  override forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}

/** min(max(x/6 + 1/2, 0), 1) (https://pytorch.org/docs/stable/generated/torch.nn.Hardsigmoid.html) */
export class Hardsigmoid extends Module {
  static readonly className = 'Hardsigmoid';
  override forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}

/** 1/(1 + e⁻ˣ) (https://pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html) */
export class Sigmoid extends Module {
  static readonly className = 'Sigmoid';
  override forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** tanh x (https://pytorch.org/docs/stable/generated/torch.nn.Tanh.html) */
export class Tanh extends Module {
  static readonly className = 'Tanh';
  override forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** ln(1 + e^βx)/β (https://pytorch.org/docs/stable/generated/torch.nn.Softplus.html) */
export class Softplus extends Module {
  static readonly className = 'Softplus';
  readonly options: SoftplusOptions;
  constructor(options: SoftplusOptions = {}) {
    super();
    this.options = options;
  }
  override forward(x: Tensor): Tensor {
    return softplus(x, this.options);
  }
}

/** eˣ/Σeˣ along `dim` (https://pytorch.org/docs/stable/generated/torch.nn.Softmax.html) */
export class Softmax extends Module {
  static readonly className = 'Softmax';
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = dim;
  }
  override forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }
}

/** x − ln Σeˣ along `dim` (https://pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html) */
export class LogSoftmax extends Module {
  static readonly className = 'LogSoftmax';
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = dim;
  }
  override forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim);
  }
}
