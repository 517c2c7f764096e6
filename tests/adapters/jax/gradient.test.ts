/** What reaches the weights of a jax-js student: held to our own training step, and to jax-js' own gradients. */
import { valueAndGrad as jaxValueAndGrad, jit, lax, numpy as np, tree, vjp } from '@jax-js/jax';
import { describe, expect, it } from 'vitest';
import { jaxLoss, valueAndGradWith } from '../../../src/adapters/jax/index.js';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  type Loss,
  loadModel,
  nn,
  type TensorLike,
  toOnnx,
} from '../../../src/index.js';
import { relativeError } from '../../support/run.js';
import { BATCHES, LOSSES, noise, ours, perceptual, Student } from '../student.js';
import { arrayOf, type Params, paramsOf, student } from './student.js';

async function expectGradients(grads: Params, expected: Readonly<Record<string, ArrayLike<number>>>): Promise<void> {
  expect(Object.keys(grads).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, gradient] of Object.entries(grads)) {
    const error = relativeError(await gradient.data(), expected[name] as ArrayLike<number>);
    expect(error, `gradient of ${name}`).toBeLessThan(1e-3);
  }
}

describe.each(Object.keys(LOSSES))('%s', (name) => {
  it.each(BATCHES[name] ?? [2])('gives the weights the gradient of our own training step, batch %i', async (batch) => {
    const [input, target] = [noise(batch, 1), noise(batch, 2)];
    const module = new Student();
    const params = paramsOf(module);
    await using loss = await (LOSSES[name] as () => Promise<Loss>)();
    const { value, gradients } = await ours(module, loss, input, target);

    const [jaxValue, grads] = await valueAndGradWith(student, jaxLoss(loss))(params, arrayOf(input), arrayOf(target));
    expect(jaxValue.shape).toEqual([]);
    expect(jaxValue.dtype).toBe(np.float32);
    expect(relativeError([jaxValue.item()], [value])).toBeLessThan(1e-5);
    await expectGradients(grads, gradients);
  });
});

/** A teacher of one convolution, and its loss with `MSELoss` at that hook. */
async function oneConvolution() {
  const conv = new nn.Conv2d(3, 5, 3, { padding: 1 });
  const teacher = new nn.Sequential(conv);
  const model = await loadModel(await toOnnx(teacher, { input: [2, 3, 32, 32] }));
  const config = new GlobalPercConfig({ endWeight: 1, lossFunc: new nn.MSELoss(), printData: false });
  const { weight, bias } = conv.stateDict() as unknown as Record<'weight' | 'bias', TensorLike>;
  const features = (x: np.Array): np.Array =>
    lax.conv(x, arrayOf(weight), [1, 1], 'SAME').add(arrayOf(bias).reshape([1, -1, 1, 1]));
  return { loss: new GlobalPercLoss(model, config), features };
}

describe('against jax-js itself', () => {
  it('gives the gradient jax-js finds through the same teacher', async () => {
    const { loss, features } = await oneConvolution();
    const params = paramsOf(new Student());
    const [x, y] = [arrayOf(noise(2, 3)), arrayOf(noise(2, 4))];
    const [expected, expectedGrads] = jaxValueAndGrad((weights: Params) =>
      np.square(features(student(weights, x.ref)).sub(features(y.ref))).mean(),
    )(tree.ref(params));
    const [value, grads] = await valueAndGradWith(student, jaxLoss(loss))(params, x, y);
    expect(relativeError([value.item()], [expected.item()])).toBeLessThan(1e-5);
    const numbers = Object.entries(expectedGrads).map(async ([name, array]) => [name, await array.data()] as const);
    await expectGradients(grads, Object.fromEntries(await Promise.all(numbers)));
    await loss.dispose();
  });

  it('leaves vjp to the caller; jitted students and students of several inputs work', async () => {
    await using loss = await perceptual('vgg.dynamo');
    const percLoss = jaxLoss(loss);
    const params = paramsOf(new Student());
    const [x, y] = [arrayOf(noise(1, 5)), arrayOf(noise(1, 6))];

    const [pred, pullback] = vjp((weights: Params) => student(weights, x.ref), [tree.ref(params)]);
    const { value, grad, hooks } = await percLoss(pred.ref, y.ref);
    expect(grad.shape).toEqual(pred.shape);
    expect(value.item()).toBeCloseTo(hooks.reduce((sum, hook) => sum + hook.weight * hook.loss, 0));
    const [grads] = pullback(grad);
    const expected = Object.fromEntries(
      await Promise.all(Object.entries(grads).map(async ([name, array]) => [name, await array.data()] as const)),
    );

    const fast = jit((weights: Params, input: np.Array) => student(weights, input));
    const [, jitted] = await valueAndGradWith(fast, percLoss)(tree.ref(params), x.ref, y.ref);
    await expectGradients(jitted, expected);
    const blended = (weights: Params, [a, b]: [np.Array, np.Array]): np.Array => student(weights, a.add(b));
    const half = x.mul(0.5);
    const [, several] = await valueAndGradWith(blended, percLoss)(params, [half.ref, half], y);
    await expectGradients(several, expected);
  });

  it('takes a target that was encoded before', async () => {
    await using loss = await perceptual('vgg.dynamo');
    const [pred, target] = [noise(1, 7), noise(1, 8)];
    await using encoded = await loss.encode(target);
    const { value, grad } = await jaxLoss(loss)(arrayOf(pred), encoded);
    const direct = await loss.valueAndGrad(pred, target);
    expect(relativeError([value.item()], [direct.value])).toBeLessThan(1e-5);
    expect(relativeError(await grad.data(), direct.grad.data as Float32Array)).toBeLessThan(1e-4);

    const scaled = (factor: np.Array, x: np.Array): np.Array => x.mul(factor);
    const [stepped] = await valueAndGradWith(scaled, jaxLoss(loss))(np.array(1), arrayOf(pred), encoded);
    expect(relativeError([stepped.item()], [direct.value])).toBeLessThan(1e-5);
  });
});
