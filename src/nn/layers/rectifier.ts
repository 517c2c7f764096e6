/** ReLU and what bends like it, as layers. */
import { GlobalPercError, type Tensor } from '../../graph/index.js';
import { type Checks, checkOptions, count, number } from '../../options/index.js';
import { celu, elu, hardtanh, leakyRelu, prelu, relu, selu, softplus, threshold } from '../functional/activation.js';
import { constant } from '../init.js';
import { Module } from '../module.js';
import { type SoftplusOptions, softplusChecks } from '../options/activation.js';
import { Parameter } from '../parameter.js';
import { requireShape } from '../sizes.js';

/** max(x, 0) (https://pytorch.org/docs/stable/generated/torch.nn.ReLU.html) */
export class ReLU extends Module {
  static readonly className = 'ReLU';
  override forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** min(max(x, minVal), maxVal), by default within ±1 (https://pytorch.org/docs/stable/generated/torch.nn.Hardtanh.html) */
export class Hardtanh extends Module {
  static readonly className: string = 'Hardtanh';
  readonly minVal: number;
  readonly maxVal: number;

  /** @throws GlobalPercError unless minVal is below maxVal. */
  constructor(minVal = -1, maxVal = 1) {
    super();
    this.minVal = number()(minVal, `${this.className}: minVal`);
    this.maxVal = number()(maxVal, `${this.className}: maxVal`);
    if (minVal < maxVal) return;
    throw new GlobalPercError(`${this.className}: minVal ${minVal} should be below maxVal ${maxVal}`, {
      code: 'invalid-option',
    });
  }
  override forward(x: Tensor): Tensor {
    return hardtanh(x, this.minVal, this.maxVal);
  }
}

/** min(max(x, 0), 6) (https://pytorch.org/docs/stable/generated/torch.nn.ReLU6.html) */
export class ReLU6 extends Hardtanh {
  static override readonly className = 'ReLU6';
  constructor() {
    super(0, 6);
  }
}

/** x, or slope·x below 0 (https://pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html) */
export class LeakyReLU extends Module {
  static readonly className = 'LeakyReLU';
  readonly negativeSlope: number;
  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = number()(negativeSlope, `${this.className}: negativeSlope`);
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

const preluChecks: Checks<PReLUOptions> = { numParameters: count, init: number() };

/** x, or a learned slope times x below 0 (https://pytorch.org/docs/stable/generated/torch.nn.PReLU.html) */
export class PReLU extends Module {
  static readonly className = 'PReLU';
  readonly weight: Parameter;
  constructor(options: PReLUOptions = {}) {
    super();
    const { numParameters = 1, init = 0.25 } = checkOptions(options, preluChecks, this.className);
    this.weight = constant(new Parameter([numParameters]), init);
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
    this.alpha = number()(alpha, `${this.className}: alpha`);
  }
  override forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/** γ·x, or γ·α·(eˣ − 1) below 0, with α ≈ 1.6733 and γ ≈ 1.0507 (https://pytorch.org/docs/stable/generated/torch.nn.SELU.html) */
export class SELU extends Module {
  static readonly className = 'SELU';
  override forward(x: Tensor): Tensor {
    return selu(x);
  }
}

/** x, or α·(e^(x/α) − 1) below 0 (https://pytorch.org/docs/stable/generated/torch.nn.CELU.html) */
export class CELU extends Module {
  static readonly className = 'CELU';
  readonly alpha: number;
  constructor(alpha = 1) {
    super();
    this.alpha = number()(alpha, `${this.className}: alpha`);
    if (alpha === 0) throw new GlobalPercError(`${this.className}: alpha should not be 0`, { code: 'invalid-option' });
  }
  override forward(x: Tensor): Tensor {
    return celu(x, this.alpha);
  }
}

/** x where it is above the threshold, else the value (https://pytorch.org/docs/stable/generated/torch.nn.Threshold.html) */
export class Threshold extends Module {
  static readonly className = 'Threshold';
  readonly threshold: number;
  readonly value: number;
  constructor(bound: number, value: number) {
    super();
    this.threshold = number()(bound, `${this.className}: threshold`);
    this.value = number()(value, `${this.className}: value`);
  }
  override forward(x: Tensor): Tensor {
    return threshold(x, this.threshold, this.value);
  }
}

/** ln(1 + e^βx)/β (https://pytorch.org/docs/stable/generated/torch.nn.Softplus.html) */
export class Softplus extends Module {
  static readonly className = 'Softplus';
  readonly options: SoftplusOptions;
  constructor(options: SoftplusOptions = {}) {
    super();
    this.options = checkOptions(options, softplusChecks, this.className);
  }
  override forward(x: Tensor): Tensor {
    return softplus(x, this.options);
  }
}
