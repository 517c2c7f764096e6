/**
 * Initial values of weights (https://pytorch.org/docs/stable/nn.init.html): each function fills a parameter in place and
 * returns it. The distributions are PyTorch's; the numbers come from a generator of its own, see `manualSeed`.
 */
import { GlobalPercError, oneOf, type Shape, sizeOf } from '../graph/index.js';
import { Generator } from '../random/index.js';
import type { Parameter } from './parameter.js';

let generator = new Generator(0);

/** Restarts the generator that all initial values are drawn from; a program starts with seed 0. */
export function manualSeed(seed: number): void {
  if (!Number.isSafeInteger(seed)) throw new GlobalPercError(`manualSeed: the seed should be an integer, got ${seed}`);
  generator = new Generator(seed);
}

/** Activation that follows a weight, for its gain. */
export type Nonlinearity = 'linear' | 'conv2d' | 'sigmoid' | 'tanh' | 'relu' | 'leaky_relu' | 'selu';

/** Gain from the slope of the negative side, which leaky_relu alone has. */
const GAINS: Readonly<Record<Nonlinearity, (slope: number) => number>> = {
  linear: () => 1,
  conv2d: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.SQRT2,
  leaky_relu: (slope) => Math.sqrt(2 / (1 + slope ** 2)),
  selu: () => 3 / 4,
};

/** How much an activation shrinks the deviation of what passes it; `slope` is that of leaky_relu, 0.01 by default. */
export const calculateGain = (nonlinearity: Nonlinearity, slope = 0.01): number =>
  GAINS[oneOf(nonlinearity, Object.keys(GAINS) as Nonlinearity[], 'nonlinearity')](slope);

let lazy = false;

/**
 * Runs `build` so that the weights of the modules it makes are drawn when they are first read: never, where trained ones
 * are loaded before. Each of them has a generator of its own, so the order in which they are read does not matter.
 */
export function lazily<Result>(build: () => Result): Result {
  const outer = lazy;
  lazy = true;
  try {
    return build();
  } finally {
    lazy = outer;
  }
}

/** Sets every element to what `draw` gives, which takes its random numbers from `generator`. */
function fill(parameter: Parameter, draw: () => number): Parameter {
  if (lazy) {
    const own = new Generator(generator.integer(2 ** 32));
    parameter.initializeOnRead(() => fillFrom(own, parameter, draw));
  } else fillFrom(generator, parameter, draw);
  return parameter;
}

function fillFrom(source: Generator, { data }: Parameter, draw: () => number): void {
  const outer = generator;
  generator = source;
  for (let i = 0; i < data.length; i += 1) data[i] = draw();
  generator = outer;
}

/** Uniform in [a, b), by default [0, 1). */
export const uniform = (parameter: Parameter, { a = 0, b = 1 } = {}): Parameter =>
  fill(parameter, () => a + (b - a) * generator.uniform());

/** Normal, by default with mean 0 and standard deviation 1. */
export const normal = (parameter: Parameter, { mean = 0, std = 1 } = {}): Parameter =>
  fill(parameter, () => mean + std * generator.normal());

/** One value everywhere. */
export const constant = (parameter: Parameter, value: number): Parameter => fill(parameter, () => value);

export const ones = (parameter: Parameter): Parameter => constant(parameter, 1);

export const zeros = (parameter: Parameter): Parameter => constant(parameter, 0);

/** How many elements each output is made of, and each input goes to, for a weight `[out, in, …kernel]`. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/** @throws GlobalPercError for a shape of less than two dimensions. */
export function fansOf(shape: Shape): Fans {
  const [outputs, inputs, ...kernel] = shape;
  if (outputs === undefined || inputs === undefined) {
    throw new GlobalPercError(`a weight of shape [${shape}] has no fans: that takes two dimensions or more`);
  }
  return { fanIn: inputs * sizeOf(kernel), fanOut: outputs * sizeOf(kernel) };
}

/** A uniform distribution of this standard deviation reaches √3 times as far. */
const uniformOf = (parameter: Parameter, std: number): Parameter =>
  uniform(parameter, { a: -Math.sqrt(3) * std, b: Math.sqrt(3) * std });

function xavierDeviation({ shape }: Parameter, gain: number): number {
  const { fanIn, fanOut } = fansOf(shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/** Uniform in ±gain·√(6/(fan_in + fan_out)). Default gain 1. */
export const xavierUniform = (parameter: Parameter, { gain = 1 } = {}): Parameter =>
  uniformOf(parameter, xavierDeviation(parameter, gain));

/** Normal with deviation gain·√(2/(fan_in + fan_out)). Default gain 1. */
export const xavierNormal = (parameter: Parameter, { gain = 1 } = {}): Parameter =>
  normal(parameter, { std: xavierDeviation(parameter, gain) });

/** Options of the Kaiming initialisations. */
export interface KaimingOptions {
  /** Slope of the negative side of the leaky_relu that follows. Default 0. */
  readonly a?: number;
  /** Keep the deviation of the forward or of the backward pass. Default `fan_in`. */
  readonly mode?: 'fan_in' | 'fan_out';
  /** Default `leaky_relu`. */
  readonly nonlinearity?: Nonlinearity;
}

function kaimingDeviation({ shape }: Parameter, options: KaimingOptions): number {
  const { a = 0, mode = 'fan_in', nonlinearity = 'leaky_relu' } = options;
  const { fanIn, fanOut } = fansOf(shape);
  const fan = oneOf(mode, ['fan_in', 'fan_out'], 'mode') === 'fan_in' ? fanIn : fanOut;
  return calculateGain(nonlinearity, a) / Math.sqrt(fan);
}

/** Uniform in ±gain·√(3/fan). */
export const kaimingUniform = (parameter: Parameter, options: KaimingOptions = {}): Parameter =>
  uniformOf(parameter, kaimingDeviation(parameter, options));

/** Normal with deviation gain/√fan. */
export const kaimingNormal = (parameter: Parameter, options: KaimingOptions = {}): Parameter =>
  normal(parameter, { std: kaimingDeviation(parameter, options) });

/** Options of truncNormal. */
export interface TruncNormalOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Default 1. */
  readonly std?: number;
  /** Bounds of the values, not counted in standard deviations. Default −2 and 2. */
  readonly a?: number;
  readonly b?: number;
}

/**
 * Normal, with what falls outside [a, b] drawn again.
 * @throws GlobalPercError when [a, b] is empty or more than two deviations away from the mean.
 */
export function truncNormal(
  parameter: Parameter,
  { mean = 0, std = 1, a = -2, b = 2 }: TruncNormalOptions = {},
): Parameter {
  if (!(a < b && std > 0 && mean >= a - 2 * std && mean <= b + 2 * std)) {
    throw new GlobalPercError(`truncNormal: mean ${mean} and std ${std} do not go with the bounds ${a} and ${b}`);
  }
  const peak = (Math.min(Math.max(mean, a), b) - mean) / std;
  /** Within narrow bounds, uniform proposals, each kept with the density it has compared to the densest place. */
  const narrow = (): number => {
    const value = a + (b - a) * generator.uniform();
    const keep = Math.exp((peak ** 2 - ((value - mean) / std) ** 2) / 2);
    return generator.uniform() < keep ? value : Number.NaN;
  };
  const propose = b - a < 2 * std ? narrow : () => mean + std * generator.normal();
  return fill(parameter, () => {
    let value = propose();
    while (!(value >= a && value <= b)) value = propose();
    return value;
  });
}

/**
 * Rows, or columns where there are fewer of them, that are orthogonal and of length `gain` (default 1), in a random
 * direction; dimensions from the second on count as columns (Saxe et al. 2013).
 * @throws GlobalPercError for a shape of less than two dimensions.
 */
export function orthogonal(parameter: Parameter, { gain = 1 } = {}): Parameter {
  const [rows, ...rest] = parameter.shape;
  const columns = sizeOf(rest);
  if (rows === undefined || rest.length === 0) {
    throw new GlobalPercError(`orthogonal: a weight of shape [${parameter.shape}] should have two dimensions or more`);
  }
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const basis = orthonormal(count, length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const [vector, place] = rows <= columns ? [row, column] : [column, row];
      parameter.data[row * columns + column] = gain * ((basis[vector] as Float64Array)[place] as number);
    }
  }
  return parameter;
}

/** Random orthonormal vectors: normal ones from which the parts along those before are taken off (Gram and Schmidt). */
function orthonormal(count: number, length: number): Float64Array[] {
  const basis: Float64Array[] = [];
  while (basis.length < count) {
    const vector = Float64Array.from({ length }, () => generator.normal());
    // Twice, since rounding leaves a rest of the first time where the vector is nearly one of those before.
    for (const other of [...basis, ...basis]) addScaled(vector, other, -dot(vector, other));
    const norm = Math.sqrt(dot(vector, vector));
    basis.push(vector.map((value) => value / norm));
  }
  return basis;
}

const dot = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

function addScaled(target: Float64Array, other: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i += 1) target[i] = (target[i] as number) + factor * (other[i] as number);
}
