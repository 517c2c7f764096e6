/**
 * Losses for models that are trained with jax-js (`@jax-js/jax`). Its arrays go in and come out, and its rule of ownership
 * holds: an array given to a function is consumed, also where the call fails; `.ref` keeps it. Images are
 * `[B, C, H, W]`, float32, the layout of jax-js' own convolutions.
 *
 * On Node 20 jax-js' `init()` fails for want of `navigator`. Nothing here calls it: without it jax-js runs on
 * WebAssembly, and `init('wasm')` works everywhere.
 * @module globalperc/jax
 */
import { type Array as JaxArray, numpy as np, type OwnedFunction, type tree, vjp } from '@jax-js/jax';
import { type CallOptions, EncodedTarget, GlobalPercError, type HookLoss, type Loss } from '../../index.js';
import { kindOf } from '../../options/index.js';
import { requireLoss } from '../require-loss.js';
import { arrayLike, consume, explained, type HostArray, readArrays, refuseTraced } from './arrays.js';

/** What a loss gives back. */
export interface JaxValueAndGrad {
  /** The loss, shape `[]`. */
  readonly value: JaxArray;
  /** Gradient with respect to the prediction, in its shape and on its device: the cotangent for the student's pullback. */
  readonly grad: JaxArray;
  /** One entry per hook, of plain numbers; empty for losses without hooks. */
  readonly hooks: readonly HookLoss[];
  /** Loss of each sample by itself, where samples can be told apart. */
  readonly samples?: Float32Array;
}

/** What a call may say beside its images. */
export interface JaxLossOptions extends Omit<CallOptions, 'mask'> {
  /** Where the loss looks: weights in [0, 1], `[B, 1, H, W]` or `[1, 1, H, W]`. Consumed as the images are. */
  readonly mask?: JaxArray;
}

/** The loss of `pred` against `target`, or against a target that the same loss has encoded. Consumes all arrays. */
export type JaxLoss = (
  pred: JaxArray,
  target: JaxArray | EncodedTarget,
  options?: JaxLossOptions,
) => Promise<JaxValueAndGrad>;

/**
 * A loss of this library as a function of jax-js arrays. The loss stays the caller's, to be disposed when training is over.
 *
 * @example
 * const percLoss = jaxLoss(new GlobalPercLoss(model, config));
 * const [pred, pullback] = vjp((params) => student(params, x), [params]);
 * const { value, grad } = await percLoss(pred, target);
 * const [grads] = pullback(grad);
 * pullback.dispose();
 *
 * @throws GlobalPercError (the promise rejects; the arrays are consumed all the same) where one of them is not float32 or was
 * consumed before, where the shapes do not fit the model or each other, on NaN or infinite values, and after the loss was
 * disposed. Inside `grad`, `vjp`, `jit` and `vmap`, which cannot wait for a promise, it throws at once, and so does
 * `jaxLoss` where it is given no loss.
 */
export function jaxLoss(loss: Loss): JaxLoss {
  requireLoss('jaxLoss', loss);
  return (pred, target, given = {}) => {
    const { mask, ...options } = given ?? {};
    const encoded = target instanceof EncodedTarget ? target : undefined;
    const arrays = { pred, ...(target instanceof EncodedTarget ? {} : { target }), ...(mask && { mask }) };
    refuseTraced(arrays);
    return run(loss, arrays, encoded, options);
  };
}

async function run(
  loss: Loss,
  arrays: Readonly<Record<string, JaxArray>>,
  encoded: EncodedTarget | undefined,
  options: CallOptions,
): Promise<JaxValueAndGrad> {
  const read = await readArrays(arrays);
  const given: Readonly<Record<string, HostArray>> = Object.fromEntries(
    Object.keys(arrays).map((name, i) => [name, read[i] as HostArray]),
  );
  const { pred, target, mask } = given as { pred: HostArray; target: HostArray; mask?: HostArray };
  try {
    const { value, grad, hooks, samples } = await loss.valueAndGrad(pred, encoded ?? target, {
      ...options,
      ...(mask && { mask }),
    });
    return { value: np.array(value), grad: arrayLike(grad.data, pred), hooks, ...(samples && { samples }) };
  } catch (error) {
    throw explained(error, encoded ? [pred] : [pred, target]);
  }
}

/** An array for every array in a tree of weights; a jitted student's declared weights may be numbers too. */
export type Gradients<Params> = tree.MapJsTree<Params, np.ArrayLike, JaxArray>;

/** jax-js' `vjp` of functions of one tree of arrays; its own type tells trees of numbers and of arrays apart. */
type Vjp<Params> = (
  f: (params: Params) => JaxArray,
  primals: [Params],
) => [out: JaxArray, pullback: OwnedFunction<(cotangent: JaxArray) => [Gradients<Params>]>];

/**
 * The common step of training: jax-js' `valueAndGrad` for a student and a loss that does not run in jax-js. The function it
 * returns gives the loss (shape `[]`) and the gradients of the weights, in their structure. It consumes its arguments:
 * `tree.ref(params)` keeps the weights.
 *
 * @param student makes predictions `[B, C, H, W]` of weights and an input; jitted or not.
 * @param loss made by `jaxLoss`; the step takes the targets that it takes, encoded ones too.
 *
 * @example
 * const lossAndGrads = valueAndGradWith(student, jaxLoss(new GlobalPercLoss(model, config)));
 * const [value, grads] = await lossAndGrads(tree.ref(params), x, y);
 *
 * @throws GlobalPercError as the loss does, and where `student` or `loss` is no function.
 */
export function valueAndGradWith<Params, Input, Target = JaxArray>(
  student: (params: Params, x: Input) => JaxArray,
  loss: (pred: JaxArray, target: Target) => Promise<Pick<JaxValueAndGrad, 'value' | 'grad'>>,
): (params: Params, x: Input, target: Target) => Promise<[value: JaxArray, grads: Gradients<Params>]> {
  if (typeof student !== 'function' || typeof loss !== 'function') {
    throw new GlobalPercError(
      `valueAndGradWith takes a student (params, x) => pred and a loss of jaxLoss, got ${kindOf(student)} and ${kindOf(loss)}`,
      { code: 'invalid-option' },
    );
  }
  const step = async (params: Params, x: Input, target: Target): Promise<[JaxArray, Gradients<Params>]> => {
    const [pred, pullback] = predicted(student, params, x, target);
    try {
      const { value, grad } = await loss(pred, target);
      const [grads] = pullback(grad);
      return [value, grads];
    } finally {
      pullback.dispose();
    }
  };
  return (params, x, target) => {
    refuseTraced({ params, x, target });
    return step(params, x, target);
  };
}

/** The prediction and its pullback. Where the student fails, the target is consumed all the same. */
function predicted<Params, Input>(
  student: (params: Params, x: Input) => JaxArray,
  params: Params,
  x: Input,
  target: unknown,
): ReturnType<Vjp<Params>> {
  try {
    return (vjp as unknown as Vjp<Params>)((weights) => student(weights, x), [params]);
  } catch (error) {
    consume(target);
    throw error;
  }
}
