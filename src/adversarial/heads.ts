/** What tells real activations from others: a small module for each hook. */
import { type Shape, sizeOf, type Tensor } from '../graph/index.js';
import { functional, Linear, Module } from '../nn/public.js';
import { shape } from '../options/index.js';
import { SpectralConv } from './spectral-norm.js';

const SAMPLE = shape('[257, 384]');

/** Judges the activation of one hook. It is made for samples of one shape; the batch may be any. */
export abstract class Head extends Module {
  /** Shape of the activation of one sample, without the batch. */
  readonly sample: Shape;

  constructor(sample: Shape) {
    super();
    this.sample = SAMPLE(sample, `${this.className}: sample`);
  }
}

/**
 * One-head self-attention over tokens of some width, with layers `query`, `key`, `value` and `out`:
 * softmax(q·kᵀ/√width)·v, `[B, N, width]` → `[B, N, width]`.
 */
export class SelfAttention extends Module {
  static readonly className = 'SelfAttention';
  readonly query: Module;
  readonly key: Module;
  readonly value: Module;
  readonly out: Module;

  constructor(width: number) {
    super();
    this.query = new Linear(width, width);
    this.key = new Linear(width, width);
    this.value = new Linear(width, width);
    this.out = new Linear(width, width);
  }

  override forward(x: Tensor): Tensor {
    return this.out(functional.scaledDotProductAttention(this.query(x), this.key(x), this.value(x)));
  }
}

/**
 * The original's head: an activation `[B, C, …]` is flattened to C tokens `[B, C, rest]`, which attend to each other; a Linear
 * layer makes one logit of each, `[B, C, 1]`. Its weights grow with the square of `rest`, so it is for activations of few places.
 */
export class AttentionHead extends Head {
  static readonly className = 'AttentionHead';
  readonly attention: SelfAttention;
  readonly linear: Module;

  constructor(sample: Shape) {
    super(sample);
    const width = sizeOf(this.sample.slice(1));
    this.attention = new SelfAttention(width);
    this.linear = new Linear(width, 1);
  }

  override forward(x: Tensor): Tensor {
    return this.linear(this.attention(x.reshape([x.dim(0), x.dim(1), -1])));
  }
}

/** Channels inside a convolutional head, and how far it looks over tokens and over maps. */
const CHANNELS = 64;
const KERNELS = { 1: 9, 2: 3 } as const;
const SLOPE = 0.2;

/**
 * A light head of convolutions with spectral norm and without statistics of the batch, after StyleGAN-T's (arXiv:2301.09515): with a = LeakyReLU(0.2),
 * h = a(first(x)), `last`((h + a(`block`(h)))/√2). Tokens `[B, N, C]` are a row of N places, one logit each, `[B, 1, N]`; maps `[B, C, H, W]`
 * give `[B, 1, H, W]`.
 */
export class ConvHead extends Head {
  static readonly className = 'ConvHead';
  readonly first: Module;
  readonly block: Module;
  readonly last: Module;

  constructor(sample: Shape) {
    super(sample);
    const isMap = this.sample.length === 3;
    const axes = isMap ? 2 : 1;
    const channels = (this.sample.length === 2 ? this.sample[1] : this.sample[0]) as number;
    this.first = new SpectralConv(axes, channels, CHANNELS, 1);
    this.block = new SpectralConv(axes, CHANNELS, CHANNELS, KERNELS[axes]);
    this.last = new SpectralConv(axes, CHANNELS, 1, 1);
  }

  override forward(x: Tensor): Tensor {
    const places = x.rank === 3 ? x.swapAxes(1, 2) : x.rank === 4 ? x : x.reshape([x.dim(0), x.dim(1), -1]);
    const first = functional.leakyRelu(this.first(places), SLOPE);
    const second = functional.leakyRelu(this.block(first), SLOPE);
    return this.last(first.add(second).mul(Math.SQRT1_2));
  }
}

/** Names of the heads that there are. */
export type HeadKind = 'attention' | 'conv';

export const HEADS: Readonly<Record<HeadKind, new (sample: Shape) => Head>> = {
  attention: AttentionHead,
  conv: ConvHead,
};
