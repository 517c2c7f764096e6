/** Normalisations. x̂ stands for the normalised input, g = dy·scale for its gradient. */
import { type AttributeReader, GlobalPercError, normalizeAxis, type Tensor, type TensorType } from '../graph/index.js';
import { defineOp, type InferContext } from './define.js';
import { perChannel, sumPerChannel } from './helpers/channels.js';
import { requireRank, requireShape, requireSpread, requireThat } from './helpers/fits.js';
import { alongAxis } from './helpers/infer.js';
import { contractAxis, matrixOf } from './helpers/separable.js';
import { groupGradients, inverseRoot, standardize, standardizeGradient } from './helpers/standardization.js';

const epsilonOf = (attributes: AttributeReader): number => attributes.float('epsilon', 1e-5);

/** The axes from `axis` to the last. */
function trailingAxes(attributes: AttributeReader, { rank }: Tensor): number[] {
  const first = normalizeAxis(attributes.int('axis', -1), rank);
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

/** The type of x, where each channel has a scale and a shift. */
function perChannelTypes(_: InferContext, x: Tensor, scale: Tensor, shift: Tensor): TensorType {
  requireShape('the scale', scale, [x.dim(1)]);
  requireShape('the shift', shift, [x.dim(1)]);
  return { dtype: x.dtype, shape: x.shape };
}

/**
 * y = scale·(x − μ)·r + b, r = 1/√(v + ε), with given μ and v.
 * ∂x = g·r, ∂scale = Σ dy·(x − μ)·r, ∂b = Σ dy, ∂μ = −Σ g·r, ∂v = −½·Σ g·(x − μ)·r³
 */
export const BatchNormalization = defineOp({
  infer: ({ attributes }, x, ...parameters) => {
    for (const [i, name] of ['scale', 'shift', 'mean', 'variance'].entries())
      requireShape(`the ${name}`, parameters[i], [x.rank > 1 ? x.dim(1) : 1]);
    if (attributes.int('training_mode', 0) === 0) return { dtype: x.dtype, shape: x.shape };
    throw new GlobalPercError('this normalisation uses batch statistics; export the model in evaluation mode', {
      code: 'unsupported-operator',
    });
  },
  vjp: ({ attributes, dy }, x, scale, _b, mean, variance) => {
    const inverse = variance.add(epsilonOf(attributes)).sqrt().reciprocal();
    const summed = (): Tensor => sumPerChannel(dy);
    const spread = (): Tensor => sumPerChannel(dy.mul(x.sub(perChannel(mean, x.rank))));
    return [
      () => dy.mul(perChannel(scale.mul(inverse), x.rank)),
      () => spread().mul(inverse),
      summed,
      () => summed().mul(scale.mul(inverse)).neg(),
      () => spread().mul(scale).mul(inverse.pow(3)).mul(-0.5),
    ];
  },
});

/** y = scale·x̂ + b, x̂ standardised over the trailing axes.  ∂x = r·(g − mean g − x̂·mean(g·x̂)), ∂scale = dy·x̂, ∂b = dy */
export const LayerNormalization = defineOp({
  infer: ({ attributes }, x, scale, shift) => {
    const axes = trailingAxes(attributes, x);
    for (const parameter of [scale, shift]) requireSpread('a parameter', parameter, x.shape);
    const statistic = { dtype: 'float32', shape: x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) } as const;
    return [{ dtype: x.dtype, shape: x.shape }, statistic, statistic];
  },
  vjp: ({ attributes, dy, dys }, x, scale) => {
    if (dys[1] ?? dys[2])
      throw new GlobalPercError(
        'LayerNormalization: no gradient passes the mean and deviation it gives; export the model so that only its first output is used',
        {
          code: 'unsupported-operator',
        },
      );
    const axes = trailingAxes(attributes, x);
    const standard = standardize(x, axes, epsilonOf(attributes));
    return [() => standardizeGradient(dy.mul(scale), standard, axes), () => dy.mul(standard.normalized), () => dy];
  },
});

/** y = scale·x·r, r = 1/√(mean x² + ε) over the trailing axes.  ∂x = r·(g − x̂·mean(g·x̂)), ∂scale = dy·x̂ */
export const RMSNormalization = defineOp({
  since: 23,
  infer: (_, x, scale) => {
    requireSpread('the scale', scale, x.shape);
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp: ({ attributes, dy }, x, scale) => {
    const axes = trailingAxes(attributes, x);
    const inverse = inverseRoot(x, axes, epsilonOf(attributes));
    const normalized = x.mul(inverse);
    const gradient = (g: Tensor): Tensor => g.sub(normalized.mul(g.mul(normalized).mean(axes, true))).mul(inverse);
    return [() => gradient(dy.mul(scale)), () => dy.mul(normalized)];
  },
});

/** y = scale·x̂ + b, x̂ standardised over space.  ∂x as in LayerNormalization, ∂scale = Σ dy·x̂, ∂b = Σ dy */
export const InstanceNormalization = defineOp({
  infer: perChannelTypes,
  vjp: ({ attributes, dy }, x, scale) => groupGradients(x, scale, dy, x.dim(1), epsilonOf(attributes)),
});

/** y = scale·x̂ + b, x̂ standardised over space and groups of channels.  Gradients as in InstanceNormalization */
export const GroupNormalization = defineOp({
  since: 21,
  infer: (context, x, scale, shift) => {
    const groups = context.attributes.int('num_groups', 1);
    requireThat(x.rank > 1 && x.dim(1) % groups === 0, () => `[${x.shape}] has no ${groups} groups of channels`);
    return perChannelTypes(context, x, scale, shift);
  },
  vjp: ({ attributes, dy }, x, scale) =>
    groupGradients(x, scale, dy, attributes.int('num_groups', 1), epsilonOf(attributes)),
});

/** y = x/n, n = (Σ|x|ᵖ)^(1/p), p 1 or 2; 0 where n is 0.  ∂x = (dy − s·Σ dy·y)/n, s = y (p = 2) or sign x (p = 1) */
export const LpNormalization = defineOp({
  infer: alongAxis(-1),
  vjp: ({ attributes, y, dy }, x) => {
    const axes = [attributes.int('axis', -1)];
    const euclidean = attributes.int('p', 2) === 2;
    const gradient = (): Tensor => {
      const norm = euclidean ? x.square().sum(axes, true).sqrt() : x.abs().sum(axes, true);
      const inverse = norm.equal(0).where(0, norm.reciprocal());
      const direction = euclidean ? y : x.sign();
      return dy.sub(direction.mul(dy.mul(y).sum(axes, true))).mul(inverse);
    };
    return [gradient];
  },
});

/** y = x·D^−β, D = bias + α/n·Σ x² over n neighbouring channels.  ∂x = dy·D^−β − 2αβ/n·x·Σ dy·y/D over the channels x is near to */
export const LRN = defineOp({
  infer: (_, x) => {
    requireRank('the input', x, 4);
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp: ({ attributes, y, dy }, x) => {
    const size = attributes.int('size', 1);
    const share = attributes.float('alpha', 1e-4) / size;
    const beta = attributes.float('beta', 0.75);
    const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
    const isNear = (channel: number, other: number): number =>
      Number(other >= channel - before && other <= channel + after);
    const channels = x.dim(1);
    const gradient = (): Tensor => {
      const neighbours = matrixOf(channels, channels, (row, column) => isNear(column, row));
      const divisor = contractAxis(x.square(), 1, neighbours).mul(share).add(attributes.float('bias', 1));
      const through = contractAxis(dy.mul(y).div(divisor), 1, matrixOf(channels, channels, isNear));
      return dy.mul(divisor.pow(-beta)).sub(x.mul(through).mul(2 * share * beta));
    };
    return [gradient];
  },
});

/** y = (x − μ)/(σ + 10⁻⁹) over the axes.  ∂x = (dy − mean dy − y·mean(dy·y))/(σ + 10⁻⁹) */
export const MeanVarianceNormalization = defineOp({
  infer: ({ attributes }, x) => {
    for (const axis of attributes.ints('axes') ?? [0, 2, 3].filter((_, i) => i < x.rank)) normalizeAxis(axis, x.rank);
    requireThat(x.rank > 1, () => `the input [${x.shape}] has no axes to normalise over`);
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp: ({ attributes, y, dy }, x) => {
    const axes = attributes.ints('axes') ?? [0, 2, 3];
    const gradient = (): Tensor => {
      const deviation = x.sub(x.mean(axes, true)).square().mean(axes, true).sqrt();
      const standard = { normalized: y, inverse: deviation.add(1e-9).reciprocal() };
      return standardizeGradient(dy, standard, axes);
    };
    return [gradient];
  },
});
