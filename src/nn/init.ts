/**
 * Initial values of weights (https://pytorch.org/docs/stable/nn.init.html): each function fills a parameter in place and
 * returns it. The distributions are PyTorch's; the numbers come from a generator of its own, see `manualSeed`.
 * @module
 */
import { GlobalPercError, type Shape, sizeOf } from '../graph/index.js';
import { type Checks, checkOptions, instanceOf, number, oneOf, positive } from '../options/index.js';
import { Generator } from '../random/index.js';
import { Parameter } from './parameter.js';

let generator = new Generator(0);

/** Restarts the generator that all initial values are drawn from; a program starts with seed 0. */
export function manualSeed(seed: number): void {
  if (!Number.isSafeInteger(seed))
    throw new GlobalPercError(`manualSeed: the seed should be an integer, got ${seed}`, { code: 'invalid-option' });
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

const knownNonlinearity = oneOf(...(Object.keys(GAINS) as Nonlinearity[]));

/** How much an activation shrinks the deviation of what passes it; `slope` is that of leaky_relu, 0.01 by default. */
export const calculateGain = (nonlinearity: Nonlinearity, slope = 0.01): number =>
  GAINS[knownNonlinearity(nonlinearity, 'nonlinearity')](number()(slope, 'calculateGain: slope'));

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

const isParameter = instanceOf(Parameter);

/** Shape of what is to be filled. @throws GlobalPercError when it is no parameter. */
const shapeOf = (parameter: Parameter): Shape => isParameter(parameter, 'nn.init: what is filled').shape;

/** Sets every element to what `draw` gives, which takes its random numbers from `generator`. */
function fill(parameter: Parameter, draw: () => number): Parameter {
  shapeOf(parameter);
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

/** Options of uniform. */
export interface UniformOptions {
  /** Lower bound. Default 0. */
  readonly a?: number;
  /** Upper bound. Default 1. */
  readonly b?: number;
}

const uniformChecks: Checks<UniformOptions> = { a: number(), b: number() };

/** Uniform in [a, b). */
export function uniform(parameter: Parameter, options: UniformOptions = {}): Parameter {
  const { a = 0, b = 1 } = checkOptions(options, uniformChecks, 'uniform');
  return fill(parameter, () => a + (b - a) * generator.uniform());
}

/** Options of normal. */
export interface NormalOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Standard deviation. Default 1. */
  readonly std?: number;
}

const normalChecks: Checks<NormalOptions> = { mean: number(), std: number({ least: 0 }) };

/** Normal, by default with mean 0 and standard deviation 1. */
export function normal(parameter: Parameter, options: NormalOptions = {}): Parameter {
  const { mean = 0, std = 1 } = checkOptions(options, normalChecks, 'normal');
  return fill(parameter, () => mean + std * generator.normal());
}

/** One value everywhere. */
export function constant(parameter: Parameter, value: number): Parameter {
  number()(value, 'constant: value');
  return fill(parameter, () => value);
}

/** 1 everywhere. */
export const ones = (parameter: Parameter): Parameter => constant(parameter, 1);

/** 0 everywhere. */
export const zeros = (parameter: Parameter): Parameter => constant(parameter, 0);

/** How many elements each output is made of, and each input goes to, for a weight `[out, in, …kernel]`. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/** fan_in and fan_out of a weight of this shape. @throws GlobalPercError for a shape of less than two dimensions. */
export function fansOf(shape: Shape): Fans {
  const [outputs, inputs, ...kernel] = shape;
  if (outputs === undefined || inputs === undefined) {
    throw new GlobalPercError(`a weight of shape [${shape}] has no fans: that takes two dimensions or more`, {
      code: 'invalid-argument',
    });
  }
  return { fanIn: inputs * sizeOf(kernel), fanOut: outputs * sizeOf(kernel) };
}

/** A uniform distribution of this standard deviation reaches √3 times as far. */
const uniformOf = (parameter: Parameter, std: number): Parameter =>
  uniform(parameter, { a: -Math.sqrt(3) * std, b: Math.sqrt(3) * std });

/** Options of the Xavier initialisations, and of orthogonal. */
export interface GainOptions {
  /** What the values are multiplied by; see calculateGain. Default 1. */
  readonly gain?: number;
}

const gainChecks: Checks<GainOptions> = { gain: number() };

function xavierDeviation(parameter: Parameter, options: GainOptions, name: string): number {
  const { gain = 1 } = checkOptions(options, gainChecks, name);
  const { fanIn, fanOut } = fansOf(shapeOf(parameter));
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/** Uniform in ±gain·√(6/(fan_in + fan_out)). */
export const xavierUniform = (parameter: Parameter, options: GainOptions = {}): Parameter =>
  uniformOf(parameter, xavierDeviation(parameter, options, 'xavierUniform'));

/** Normal with deviation gain·√(2/(fan_in + fan_out)). */
export const xavierNormal = (parameter: Parameter, options: GainOptions = {}): Parameter =>
  normal(parameter, { std: xavierDeviation(parameter, options, 'xavierNormal') });

/** Options of the Kaiming initialisations. */
export interface KaimingOptions {
  /** Slope of the negative side of the leaky_relu that follows. Default 0. */
  readonly a?: number;
  /** Keep the deviation of the forward or of the backward pass. Default `fan_in`. */
  readonly mode?: 'fan_in' | 'fan_out';
  /** Default `leaky_relu`. */
  readonly nonlinearity?: Nonlinearity;
}

const kaimingChecks: Checks<KaimingOptions> = {
  a: number(),
  mode: oneOf('fan_in', 'fan_out'),
  nonlinearity: knownNonlinearity,
};

function kaimingDeviation(parameter: Parameter, options: KaimingOptions, name: string): number {
  const { a = 0, mode = 'fan_in', nonlinearity = 'leaky_relu' } = checkOptions(options, kaimingChecks, name);
  const { fanIn, fanOut } = fansOf(shapeOf(parameter));
  return calculateGain(nonlinearity, a) / Math.sqrt(mode === 'fan_in' ? fanIn : fanOut);
}

/** Uniform in ±gain·√(3/fan). */
export const kaimingUniform = (parameter: Parameter, options: KaimingOptions = {}): Parameter =>
  uniformOf(parameter, kaimingDeviation(parameter, options, 'kaimingUniform'));

/** Normal with deviation gain/√fan. */
export const kaimingNormal = (parameter: Parameter, options: KaimingOptions = {}): Parameter =>
  normal(parameter, { std: kaimingDeviation(parameter, options, 'kaimingNormal') });

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

const truncNormalChecks: Checks<TruncNormalOptions> = { mean: number(), std: positive, a: number(), b: number() };

/**
 * Normal, with what falls outside [a, b] drawn again.
 * @throws GlobalPercError when [a, b] is empty or more than two deviations away from the mean.
 */
export function truncNormal(parameter: Parameter, options: TruncNormalOptions = {}): Parameter {
  const { mean = 0, std = 1, a = -2, b = 2 } = checkOptions(options, truncNormalChecks, 'truncNormal');
  if (!(a < b && mean >= a - 2 * std && mean <= b + 2 * std)) {
    throw new GlobalPercError(`truncNormal: mean ${mean} and std ${std} do not go with the bounds ${a} and ${b}`, {
      code: 'invalid-option',
    });
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
export function orthogonal(parameter: Parameter, options: GainOptions = {}): Parameter {
  const { gain = 1 } = checkOptions(options, gainChecks, 'orthogonal');
  const [rows, ...rest] = shapeOf(parameter);
  const columns = sizeOf(rest);
  if (rows === undefined || rest.length === 0) {
    throw new GlobalPercError(`orthogonal: a weight of shape [${parameter.shape}] should have two dimensions or more`, {
      code: 'invalid-argument',
    });
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
