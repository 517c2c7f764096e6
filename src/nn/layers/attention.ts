/** Attention (Vaswani et al. 2017) with its projections. */
import { Tensor } from '../../graph/index.js';
import { boolean, type Checks, checkOptions, count, instanceOf } from '../../options/index.js';
import { attention } from '../attend.js';
import { linear } from '../functional/linear.js';
import { xavierUniform, zeros } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { probability, requireDivisor, requireShape, reshapeBehind } from '../sizes.js';
import { Trace } from '../trace.js';
import { Linear } from './linear.js';

/** Options of MultiheadAttention. */
export interface MultiheadAttentionOptions {
  /** Probability that a weight is dropped in training. Default 0. */
  readonly dropout?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Features of keys and values. Default: embedDim. */
  readonly kdim?: number;
  readonly vdim?: number;
  /** Inputs and outputs are `[B, L, E]` instead of `[L, B, E]`. Default false. */
  readonly batchFirst?: boolean;
}

const checks: Checks<MultiheadAttentionOptions> = {
  dropout: probability,
  bias: boolean,
  kdim: count,
  vdim: count,
  batchFirst: boolean,
};

/** Options of one call of MultiheadAttention. */
export interface AttendOptions {
  /** `[B, S]`; bool: true where a key is left out, float: added to the scores. */
  readonly keyPaddingMask?: Tensor | undefined;
  /** `[L, S]` or `[B·heads, L, S]`; bool: true where a key is left out, float: added to the scores. */
  readonly attnMask?: Tensor | undefined;
  /** Give the weights besides the output. Default true. */
  readonly needWeights?: boolean;
  /** Weights as their mean over the heads `[B, L, S]`, else `[B, heads, L, S]`. Default true. */
  readonly averageAttnWeights?: boolean;
}

const mask = instanceOf(Tensor, 'a symbolic tensor');

const attendChecks: Checks<AttendOptions> = {
  keyPaddingMask: mask,
  attnMask: mask,
  needWeights: boolean,
  averageAttnWeights: boolean,
};

/**
 * Queries `[L, B, E]`, keys `[S, B, kdim]`, values `[S, B, vdim]` → outputs `[L, B, E]` and weights `[B, L, S]`. The
 * input projections start xavier-uniform, the output's as Linear does, all biases with 0
 * (https://pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html).
 */
export class MultiheadAttention extends Module<Tensor[]> {
  static readonly className = 'MultiheadAttention';
  /** The three projections in one `[3E, E]`, where keys and values have as many features as queries. */
  readonly in_proj_weight: Parameter | undefined;
  readonly q_proj_weight: Parameter | undefined;
  readonly k_proj_weight: Parameter | undefined;
  readonly v_proj_weight: Parameter | undefined;
  readonly in_proj_bias: Parameter | undefined;
  readonly out_proj: Linear;
  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly batchFirst: boolean;

  /** @throws GlobalPercError when the heads do not divide embedDim. */
  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const name = this.className;
    const checked = checkOptions(options, checks, name);
    const { bias = true, kdim = embedDim, vdim = embedDim, dropout = 0, batchFirst = false } = checked;
    this.embedDim = count(embedDim, `${name}: embedDim`);
    this.numHeads = count(numHeads, `${name}: numHeads`);
    requireDivisor(name, numHeads, 'heads', `${embedDim} features`, embedDim);
    this.dropout = dropout;
    this.kdim = kdim;
    this.vdim = vdim;
    this.batchFirst = batchFirst;
    const projection = (features: number): Parameter => xavierUniform(new Parameter([embedDim, features]));
    if (kdim === embedDim && vdim === embedDim) {
      this.in_proj_weight = xavierUniform(new Parameter([3 * embedDim, embedDim]));
    } else {
      this.q_proj_weight = projection(embedDim);
      this.k_proj_weight = projection(kdim);
      this.v_proj_weight = projection(vdim);
    }
    this.in_proj_bias = bias ? new Parameter([3 * embedDim]) : undefined;
    this.out_proj = new Linear(embedDim, embedDim, { bias });
    if (this.out_proj.bias) zeros(this.out_proj.bias);
  }

  /** Keys default to the queries, values to the keys. @throws GlobalPercError on another rank or number of features. */
  override forward(query: Tensor, key = query, value = key): Tensor[] {
    return this.compute(query, key, value, {});
  }

  /** As a call, with masks. */
  attend(query: Tensor, key: Tensor, value: Tensor, options: AttendOptions = {}): Tensor[] {
    const checked = checkOptions(options, attendChecks, `${this.className}: attend`);
    return Trace.of(query.graph, this).call(this, () => this.compute(query, key, value, checked));
  }

  private compute(query: Tensor, key: Tensor, value: Tensor, options: AttendOptions): Tensor[] {
    const { keyPaddingMask, attnMask, needWeights = true, averageAttnWeights = true } = options;
    const [q, k, v] = this.projected(query, key, value).map((x) => this.splitHeads(x)) as [Tensor, Tensor, Tensor];
    const masks = [
      keyPaddingMask?.unsqueeze([1, 2]),
      attnMask?.rank === 3 ? attnMask.reshape([q.dim(0), q.dim(1), ...attnMask.shape.slice(1)]) : attnMask,
    ].filter((mask) => mask !== undefined);
    const [mixed, weights] = attention(q, k, v, { masks, dropoutP: this.training ? this.dropout : 0 });
    const joined = reshapeBehind(mixed.swapAxes(1, 2), 2, [this.embedDim]);
    const { weight, bias } = this.out_proj;
    // Not a call of out_proj: in PyTorch, too, hooks do not see it run.
    const output = linear(joined, this.read(weight, query), bias && this.read(bias, query));
    const ordered = this.batchFirst ? output : output.swapAxes(0, 1);
    if (!needWeights) return [ordered];
    return [ordered, averageAttnWeights ? weights.mean([1]) : weights];
  }

  /** Queries, keys and values, each `[B, length, E]`. */
  private projected(...inputs: readonly [Tensor, Tensor, Tensor]): Tensor[] {
    const features = [this.embedDim, this.kdim, this.vdim];
    const names = this.batchFirst ? ['B', 'L'] : ['L', 'B'];
    const separate = [this.q_proj_weight, this.k_proj_weight, this.v_proj_weight];
    return inputs.map((x, i) => {
      requireShape(this.className, x, [...names, features[i] as number]);
      const part = (held: Parameter): Tensor =>
        this.read(held, x).slice([0], [i * this.embedDim], [(i + 1) * this.embedDim]);
      const weight = this.in_proj_weight ? part(this.in_proj_weight) : this.read(separate[i] as Parameter, x);
      return linear(this.batchFirst ? x : x.swapAxes(0, 1), weight, this.in_proj_bias && part(this.in_proj_bias));
    });
  }

  /** `[B, length, E]` → `[B, heads, length, E/heads]` */
  private splitHeads(x: Tensor): Tensor {
    return reshapeBehind(x, 2, [this.numHeads, -1]).swapAxes(1, 2);
  }
}
