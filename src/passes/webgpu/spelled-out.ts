/** Operators that the provider has no kernel for, or a wrong one, in terms of others that it has: so that images stay on the device. */
import { AttributeReader, normalizeAxis, type Tensor } from '../../graph/index.js';
import type { Rewrite } from '../transcribe.js';

type Inputs = readonly (Tensor | undefined)[];

/** The operator's result from others; `undefined` where this node is to stay as it is. */
type SpelledOut = (inputs: Inputs, attributes: AttributeReader) => Tensor | undefined;

/** Of one input; integers stay as they are. */
const ofFloats =
  (spelled: (x: Tensor, attributes: AttributeReader, others: Inputs) => Tensor | undefined): SpelledOut =>
  ([x, ...others], attributes) =>
    x?.dtype === 'float32' ? spelled(x, attributes, others) : undefined;

const sum = (inputs: Inputs): Tensor => (inputs as readonly Tensor[]).reduce((total, x) => total.add(x));

/** log Σ eˣ = m + log Σ eˣ⁻ᵐ, m the largest x */
function logSumExp(x: Tensor, axes: readonly number[] | undefined): Tensor {
  const largest = x.amax(axes, true);
  return x.sub(largest).exp().sum(axes, true).log().add(largest);
}

/** The axes of a reduction, all if none are given; `undefined` where they are not known. */
function axesOf(x: Tensor, [axes]: Inputs, attributes: AttributeReader): readonly number[] | undefined {
  const given = axes?.constantValues() ?? (axes === undefined ? [] : undefined);
  if (given?.length !== 0) return given?.map((axis) => normalizeAxis(axis, x.rank));
  return attributes.int('noop_with_empty_axes', 0) === 1 ? [] : x.shape.map((_, i) => i);
}

const OPERATORS: Readonly<Record<string, SpelledOut>> = {
  // [x > 0] − [x < 0]
  Sign: ofFloats((x) => x.greater(0).cast('float32').sub(x.less(0).cast('float32'))),
  Sum: sum,
  Mean: (inputs) => sum(inputs).mul(1 / inputs.length),
  // x/(1 + |x|)
  Softsign: ofFloats((x) => x.div(x.abs().add(1))),
  // γ·(x if x > 0, else α·(eˣ − 1))
  Selu: ofFloats((x, attributes) => {
    const alpha = attributes.float('alpha', 1.6732632423543772);
    return elu(x, alpha).mul(attributes.float('gamma', 1.0507009873554805));
  }),
  // x if x > 0, else α·(e^(x/α) − 1)
  Celu: ofFloats((x, attributes) => {
    const alpha = attributes.float('alpha', 1);
    return x.greater(0).where(x, elu(x.div(alpha), alpha));
  }),
  ReduceL1: ofFloats((x, attributes, others) => {
    const axes = axesOf(x, others, attributes);
    return axes && x.abs().sum(axes, attributes.int('keepdims', 1) === 1);
  }),
  ReduceLogSumExp: ofFloats((x, attributes, others) => {
    const axes = axesOf(x, others, attributes);
    return axes && (axes.length === 0 ? x : logSumExp(x, axes));
  }),
  // x − log Σ eˣ
  LogSoftmax: ofFloats((x, attributes) => x.sub(logSumExp(x, [attributes.int('axis', -1)]))),
  // (x − mean)/√(variance + ε)·scale + bias, over each group of channels and space
  GroupNormalization: ofFloats((x, attributes, [scale, bias]) => {
    const grouped = x.reshape([x.dim(0), attributes.int('num_groups', 1), -1]);
    const centred = grouped.sub(grouped.mean([2], true));
    const variance = centred.square().mean([2], true);
    const normalized = centred.div(variance.add(attributes.float('epsilon', 1e-5)).sqrt()).reshape(x.shape);
    const perChannel = [-1, ...x.shape.slice(2).map(() => 1)];
    return scale && bias && normalized.mul(scale.reshape(perChannel)).add(bias.reshape(perChannel));
  }),
};

const elu = (x: Tensor, alpha: number): Tensor =>
  x.graph.emit('Elu', [x], { alpha: { kind: 'float', value: alpha } })[0] as Tensor;

/** Spells out what is in the table. */
export const spelledOut: Rewrite = (node, inputs) => {
  const result = OPERATORS[node.op]?.(inputs, new AttributeReader(node.attributes, () => node.op));
  return result && [result.reshape(node.outputs[0]?.shape ?? [])];
};

/** A Slice with negative steps, which gives the elements it would give with positive ones, as Gather. */
export const gatherBackwards: Rewrite = (node, [x, starts, , axes, steps]) => {
  const strides = steps?.constantValues();
  const firsts = starts?.constantValues();
  if (node.op !== 'Slice' || !x || !firsts || !strides?.some((step) => step < 0)) return undefined;
  const along = axes?.constantValues() ?? firsts.map((_, i) => i);
  const gathered = along.reduce((sliced, given, i) => {
    const axis = normalizeAxis(given, x.rank);
    const [start, step, size] = [firsts[i] as number, strides[i] as number, x.dim(axis)];
    const first = Math.min(Math.max(start < 0 ? start + size : start, 0), step < 0 ? size - 1 : size);
    const count = node.outputs[0]?.shape?.[axis] as number;
    return sliced.gather(x.graph.ints(Array.from({ length: count }, (_, k) => first + k * step)), axis);
  }, x);
  return [gathered];
};
