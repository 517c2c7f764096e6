/** Modules that take a student's activation to the width of a teacher's. */
import type { Shape, Tensor } from '../graph/index.js';
import { Conv2d, functional, Linear, Module } from '../nn/public.js';
import { type Check, callback, oneOf } from '../options/index.js';
import { channelAxis } from './distances.js';

/** A module for activations of the student and the teacher of such shapes; it keeps all dimensions but the channels. */
export type MakeProjector = (student: Shape, teacher: Shape) => Module;

/**
 * `linear`: a Linear on tokens `[B, N, C]` or vectors `[B, C]`, a 1×1 convolution on maps `[B, C, H, W]`. `mlp`: REPA's three of them with SiLU
 * between, 2048 wide. Or one of your own.
 */
export type Projector = 'linear' | 'mlp' | MakeProjector;

const named = oneOf('linear', 'mlp');
export const PROJECTOR: Check<Projector> = (value, where) =>
  typeof value === 'function' ? callback<MakeProjector>(value, where) : named(value, where);

/** Width of REPA's projector. */
const HIDDEN = 2048;

/** The projector of one pair. */
export function projectorFor(projector: Projector, student: Shape, teacher: Shape): Module {
  if (typeof projector === 'function') return projector(student, teacher);
  const [from, to] = [student, teacher].map((shape) => shape[channelAxis(shape)]) as [number, number];
  if (projector === 'mlp') return new MLPProjector(from, HIDDEN, to, student.length);
  return layer(from, to, student.length);
}

const layer = (from: number, to: number, rank: number): Module =>
  rank === 4 ? new Conv2d(from, to, 1) : new Linear(from, to);

/**
 * Linear, SiLU, Linear, SiLU, Linear, from one width over another to a third; 1×1 convolutions on maps (`build_mlp` of REPA's code,
 * https://github.com/sihyun-yu/REPA).
 */
export class MLPProjector extends Module {
  static readonly className = 'MLPProjector';
  readonly first: Module;
  readonly second: Module;
  readonly third: Module;

  constructor(from: number, hidden: number, to: number, rank: number) {
    super();
    this.first = layer(from, hidden, rank);
    this.second = layer(hidden, hidden, rank);
    this.third = layer(hidden, to, rank);
  }

  override forward(x: Tensor): Tensor {
    return this.third(functional.silu(this.second(functional.silu(this.first(x)))));
  }
}
