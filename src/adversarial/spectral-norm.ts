/** Convolutions whose weight is divided by its largest singular value (Miyato et al. 2018, arXiv:1802.05957). */
import { sizeOf, type Tensor } from '../graph/index.js';
import { Buffer, functional, init, Module, Parameter } from '../nn/public.js';

/** Iterations when a layer is made, as in PyTorch. */
const FIRST_ITERATIONS = 15;

/**
 * W/σ, σ = uᵀ·W·v for the matrix of W whose rows are output channels; in training each call takes one step of the power iteration that u and v
 * come from, u = W·v/‖W·v‖, v = Wᵀ·u/‖Wᵀ·u‖, through which no gradient flows.
 */
class SpectralNorm extends Module {
  static readonly className = '_SpectralNorm';
  readonly _u: Buffer;
  readonly _v: Buffer;

  constructor({ shape: [rows = 1, ...rest], data }: Parameter) {
    super();
    const columns = sizeOf(rest);
    this._v = new Buffer([columns], randomUnit(columns));
    this._u = new Buffer([rows], new Float32Array(rows));
    for (let i = 0; i < FIRST_ITERATIONS; i += 1) {
      this._u.data = unit(rows, columns, (row, column) => element(data, row * columns + column) * at(this._v, column));
      this._v.data = unit(columns, rows, (column, row) => element(data, row * columns + column) * at(this._u, row));
    }
  }

  override forward(weight: Tensor): Tensor {
    const matrix = weight.reshape([weight.dim(0), -1]);
    let [u, v] = [this._u, this._v].map((held) => this.read(held, weight).unsqueeze([1])) as [Tensor, Tensor];
    if (this.training) {
      const fixed = matrix.detach();
      u = normalized(fixed.matmul(v));
      v = normalized(fixed.swapAxes(0, 1).matmul(u));
      this.write(this._u, u.reshape([-1]), weight);
      this.write(this._v, v.reshape([-1]), weight);
    }
    return weight.div(u.swapAxes(0, 1).matmul(matrix).matmul(v).reshape([]));
  }
}

const normalized = (column: Tensor): Tensor => functional.normalize(column, { dim: 0, eps: 1e-12 }).detach();

const element = (data: Float32Array, i: number): number => data[i] as number;
const at = ({ data }: Buffer, i: number): number => Number(data[i]);

function randomUnit(length: number): Float32Array {
  const { data } = init.normal(new Parameter([length]));
  return unit(length, 1, (i) => element(data, i));
}

/** A vector of sums over `terms`, divided by its length. */
function unit(length: number, count: number, term: (i: number, j: number) => number): Float32Array {
  const sums = Float64Array.from({ length }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < count; j += 1) sum += term(i, j);
    return sum;
  });
  const norm = Math.max(Math.sqrt(sums.reduce((sum, value) => sum + value ** 2, 0)), 1e-12);
  return Float32Array.from(sums, (value) => value / norm);
}

/** A weight, and what it goes through before it is used; the names are those of torch.nn.utils.parametrize. */
class ParametrizedWeight extends Module {
  static readonly className = 'ParametrizationList';
  readonly original: Parameter;
  readonly 0: SpectralNorm;

  constructor(original: Parameter) {
    super();
    this.original = original;
    this[0] = new SpectralNorm(original);
  }

  override forward(x: Tensor): Tensor {
    return this[0](this.read(this.original, x));
  }
}

class Parametrizations extends Module {
  static readonly className = 'ModuleDict';
  readonly weight: ParametrizedWeight;

  constructor(weight: Parameter) {
    super();
    this.weight = new ParametrizedWeight(weight);
  }

  override forward(x: Tensor): Tensor {
    return this.weight(x);
  }
}

/**
 * A convolution over one axis or two that keeps the size, with spectral norm:
 * `torch.nn.utils.parametrizations.spectral_norm(nn.Conv1d(in, out, kernel, padding=kernel // 2))`.
 */
export class SpectralConv extends Module {
  static readonly className = 'ParametrizedConv';
  readonly bias: Parameter;
  readonly parametrizations: Module;
  private readonly axes: 1 | 2;
  private readonly padding: number;

  constructor(axes: 1 | 2, inChannels: number, outChannels: number, kernel: number) {
    super();
    const weight = new Parameter([outChannels, inChannels, ...new Array<number>(axes).fill(kernel)]);
    const { fanIn } = init.fansOf(weight.shape);
    const bound = 1 / Math.sqrt(fanIn);
    this.bias = new Parameter([outChannels]);
    for (const held of [weight, this.bias]) init.uniform(held, { a: -bound, b: bound });
    this.parametrizations = new Parametrizations(weight);
    this.axes = axes;
    this.padding = (kernel - 1) / 2;
  }

  override forward(x: Tensor): Tensor {
    const convolve = this.axes === 1 ? functional.conv1d : functional.conv2d;
    return convolve(x, this.parametrizations(x), this.read(this.bias, x), { padding: this.padding });
  }
}
