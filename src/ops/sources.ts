/** Operators that make tensors from nothing or only read shapes: no gradient passes them. */
import { GlobalPercError, ONNX_DTYPE } from '../graph/index.js';
import { constantInts, constantNumber, defineOp } from './define.js';
import { commonDtype, dtypeNumbered } from './helpers/infer.js';

/** The tensor held in the attribute `value` (https://onnx.ai/onnx/operators/onnx__Constant.html). */
export const Constant = defineOp({
  infer: ({ attributes }) => {
    const value = attributes.tensor('value');
    if (value === undefined)
      throw new GlobalPercError("Constant needs the attribute 'value'", { code: 'invalid-model' });
    return { dtype: value.dtype, shape: value.shape };
  },
});

/** A tensor of the given shape filled with the attribute `value` (float 0 by default). */
export const ConstantOfShape = defineOp({
  infer: (context, shape) => ({
    dtype: context.attributes.tensor('value')?.dtype ?? 'float32',
    shape: constantInts(context, shape, 'the shape') ?? [],
  }),
});

/** start, start + delta, … up to (not including) limit. */
export const Range = defineOp({
  infer: (context, start, limit, delta) => {
    const [from, to, by] = [start, limit, delta].map((input, i) =>
      constantNumber(context, input, ['the start', 'the limit', 'the step'][i] as string),
    );
    if (from === undefined || to === undefined || !by)
      throw new GlobalPercError(`Range from ${from} to ${to} in steps of ${by} is none`, { code: 'invalid-argument' });
    return { dtype: commonDtype(start, limit, delta), shape: [Math.max(0, Math.ceil((to - from) / by))] };
  },
});

/** The dimensions of its input from `start` up to `end`. */
export const Shape = defineOp({
  infer: ({ attributes }, x) => {
    const part = x.shape.slice(attributes.int('start', 0), attributes.int('end', x.rank));
    return { dtype: 'int64', shape: [part.length] };
  },
});

/** The number of elements of its input. */
export const Size = defineOp({ infer: () => ({ dtype: 'int64', shape: [] }) });

/** Another draw at each run of a session, of a shape that an attribute gives. */
const drawn = defineOp({
  random: true,
  infer: ({ attributes }) => ({
    dtype: dtypeNumbered(attributes.int('dtype', ONNX_DTYPE.float32)),
    shape: attributes.ints('shape') ?? [],
  }),
});

/** Another draw at each run of a session, of the shape of x, and of its type unless an attribute gives one. */
const drawnLike = defineOp({
  random: true,
  infer: ({ attributes }, x) => ({
    dtype: dtypeNumbered(attributes.int('dtype', ONNX_DTYPE[x.dtype])),
    shape: x.shape,
  }),
});

/** Uniform numbers in [low, high). */
export const RandomUniform = drawn;
export const RandomUniformLike = drawnLike;

/** Normal numbers of a mean and a standard deviation. */
export const RandomNormal = drawn;
export const RandomNormalLike = drawnLike;

/** 1 with probability x, else 0. */
export const Bernoulli = drawnLike;
