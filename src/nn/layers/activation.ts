/** Other elementwise functions as layers, and the gated linear unit. */
import type { Tensor } from '../../graph/index.js';
import { type Checks, checkOptions, integer, number } from '../../options/index.js';
import {
  gelu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  logsigmoid,
  mish,
  sigmoid,
  silu,
  softshrink,
  softsign,
  tanh,
  tanhshrink,
} from '../functional/activation.js';
import { Module } from '../module.js';
import { type GELUApproximation, geluApproximation } from '../options/activation.js';

/** Options of GELU. */
export interface GELUOptions {
  /** `tanh` takes the approximation. Default `none`. */
  readonly approximate?: GELUApproximation;
}

const geluChecks: Checks<GELUOptions> = { approximate: geluApproximation };

/** x·Φ(x) (https://pytorch.org/docs/stable/generated/torch.nn.GELU.html) */
export class GELU extends Module {
  static readonly className = 'GELU';
  readonly approximate: GELUApproximation;
  constructor(options: GELUOptions = {}) {
    super();
    this.approximate = checkOptions(options, geluChecks, this.className).approximate ?? 'none';
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

/** ln σ(x) (https://pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html) */
export class LogSigmoid extends Module {
  static readonly className = 'LogSigmoid';
  override forward(x: Tensor): Tensor {
    return logsigmoid(x);
  }
}

/** tanh x (https://pytorch.org/docs/stable/generated/torch.nn.Tanh.html) */
export class Tanh extends Module {
  static readonly className = 'Tanh';
  override forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** x − tanh x (https://pytorch.org/docs/stable/generated/torch.nn.Tanhshrink.html) */
export class Tanhshrink extends Module {
  static readonly className = 'Tanhshrink';
  override forward(x: Tensor): Tensor {
    return tanhshrink(x);
  }
}

/** x/(1 + |x|) (https://pytorch.org/docs/stable/generated/torch.nn.Softsign.html) */
export class Softsign extends Module {
  static readonly className = 'Softsign';
  override forward(x: Tensor): Tensor {
    return softsign(x);
  }
}

/** x + λ below −λ, x − λ above λ, 0 between (https://pytorch.org/docs/stable/generated/torch.nn.Softshrink.html) */
export class Softshrink extends Module {
  static readonly className = 'Softshrink';
  readonly lambd: number;
  constructor(lambd = 0.5) {
    super();
    this.lambd = number({ least: 0 })(lambd, `${this.className}: lambd`);
  }
  override forward(x: Tensor): Tensor {
    return softshrink(x, this.lambd);
  }
}

/** x, or 0 where |x| ≤ λ (https://pytorch.org/docs/stable/generated/torch.nn.Hardshrink.html) */
export class Hardshrink extends Module {
  static readonly className = 'Hardshrink';
  readonly lambd: number;
  constructor(lambd = 0.5) {
    super();
    this.lambd = number()(lambd, `${this.className}: lambd`);
  }
  override forward(x: Tensor): Tensor {
    return hardshrink(x, this.lambd);
  }
}

/** a·σ(b), a and b being the halves of x along `dim` (https://pytorch.org/docs/stable/generated/torch.nn.GLU.html) */
export class GLU extends Module {
  static readonly className = 'GLU';
  readonly dim: number;
  constructor(dim = -1) {
    super();
    this.dim = integer()(dim, `${this.className}: dim`);
  }
  override forward(x: Tensor): Tensor {
    return glu(x, this.dim);
  }
}
