/** jax-js' rule of ownership: every argument is consumed once, whether a call succeeds or fails, and nothing stays behind. */
import { createRequire } from 'node:module';
import { init, jit, numpy as np, tree, valueAndGrad, vjp } from '@jax-js/jax';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { jaxLoss, valueAndGradWith } from '../../../src/adapters/jax/index.js';
import { GlobalPercConfig, GlobalPercError, GlobalPercLoss, type Loss, loadModel, nn } from '../../../src/index.js';
import { noise, Student } from '../student.js';
import { arrayOf, type Params, paramsOf, student } from './student.js';

const MODEL = new URL('../../../fixtures/data/models/vgg.dynamo.onnx', import.meta.url);

let loss: GlobalPercLoss;
beforeAll(async () => {
  loss = new GlobalPercLoss(await loadModel(MODEL), new GlobalPercConfig({ printData: false }));
  return () => loss.dispose();
});
afterEach(() => vi.unstubAllGlobals());

/** What `require` gives where the adapter, being ESM, imports. */
const otherCopy: typeof import('@jax-js/jax') = createRequire(import.meta.url)('@jax-js/jax');

const pair = (): [np.Array, np.Array] => [arrayOf(noise(1, 1)), arrayOf(noise(1, 2))];

const failureOf = (call: () => unknown): Promise<Error> =>
  (async () => call())().then(
    () => expect.fail('no error'),
    (error: Error) => error,
  );

describe('arguments', () => {
  it('are consumed, and .ref keeps them', async () => {
    const [pred, target] = pair();
    const { value, grad } = await jaxLoss(loss)(pred.ref, target.ref);
    expect([pred, target, value, grad].map(({ refCount }) => refCount)).toEqual([1, 1, 1, 1]);
    await jaxLoss(loss)(pred, target);
    expect([pred, target].map(({ refCount }) => refCount)).toEqual([0, 0]);
    expect(() => pred.ref).toThrow(/freed/);
  });

  it('may be one array, given twice by .ref', async () => {
    const [image] = pair();
    const { value } = await jaxLoss(loss)(image.ref, image);
    expect(value.item()).toBeCloseTo(0);
    expect(image.refCount).toBe(0);
  });

  it('of valueAndGradWith are consumed, also where the loss fails', async () => {
    const params = paramsOf(new Student());
    const [x, y] = pair();
    const counts = (): number[] => [x, y, ...tree.leaves<np.Array>(params)].map(({ refCount }) => refCount);
    const step = valueAndGradWith(student, jaxLoss(loss));
    await step(tree.ref(params), x.ref, y.ref);
    expect(counts()).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await failureOf(() => step(tree.ref(params), x.ref, y.ref.astype(np.int32)))).toBeInstanceOf(
      GlobalPercError,
    );
    expect(counts()).toEqual([1, 1, 1, 1, 1, 1]);
    await step(params, x, y);
    expect(counts()).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('of valueAndGradWith: the target is consumed also where the student fails', async () => {
    const [x, y] = pair();
    const failing = (_: np.Array, __: np.Array): np.Array => {
      throw new Error('mine');
    };
    expect((await failureOf(() => valueAndGradWith(failing, jaxLoss(loss))(np.array(1), x, y))).message).toBe('mine');
    expect(y.refCount).toBe(0);
    x.dispose();
  });

  it('leave no memory behind in many steps', async () => {
    const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow');
    const params = paramsOf(new Student());
    const [x, y] = pair();
    const step = valueAndGradWith(student, jaxLoss(loss));
    const steps = async (count: number, leak: (value: np.Array) => void): Promise<number> => {
      grow.mockClear();
      for (let i = 0; i < count; i += 1) {
        const [value, grads] = await step(tree.ref(params), x.ref, y.ref);
        leak(y.ref.add(i));
        tree.dispose([value, grads]);
        await failureOf(() => jaxLoss(loss)(y.ref.add(Number.NaN), y.ref.add(1)));
      }
      return grow.mock.calls.length;
    };
    const freed = (array: np.Array): void => array.dispose();
    await steps(3, freed);
    expect(await steps(60, freed)).toBe(0);
    const leaked: np.Array[] = [];
    expect(await steps(60, (array) => leaked.push(array)), 'this measure sees a leak').toBeGreaterThan(0);
    tree.dispose([...leaked, params, x, y]);
    grow.mockRestore();
  });
});

describe('bad input', () => {
  const last = (array: np.Array): np.Array => array.transpose([0, 2, 3, 1]);
  const cases: readonly [string, (pred: np.Array, target: np.Array) => [unknown, unknown], RegExp][] = [
    [
      'a number',
      (_, target) => [3, target],
      /^pred should be an array \[B, C, H, W\] of the @jax-js\/jax.*, got number$/,
    ],
    ['nothing', (pred) => [pred, undefined], /^target should be an array .*, got undefined$/],
    [
      'an array of another copy',
      (pred) => [pred, otherCopy.numpy.ones([1, 3, 32, 32])],
      /^target should be .*, got an object of class Array/,
    ],
    ['another object', (pred) => [pred, { data: [] }], /^target should be .*, got an object of class Object$/],
    [
      'integers',
      (pred, target) => [pred.astype(np.int32), target],
      /^pred should be float32, got int32: use pred\.astype/,
    ],
    ['half precision', (pred, target) => [pred, target.astype(np.float16)], /^target should be float32, got float16/],
    [
      'no batch axis',
      (pred, target) => [pred.slice(0), target],
      /\[3, 32, 32\].*has no batch axis: use np\.expandDims/,
    ],
    [
      'channels last',
      (pred, target) => [last(pred), last(target)],
      /\[B, H, W, C\].*use image\.transpose\(\[0, 3, 1, 2\]\)$/,
    ],
    [
      'other sizes',
      (pred, target) => [pred, target.slice([], [], [0, 31])],
      /accepts input \[batch, 3, 32, 32\], got \[1, 3, 31, 32\]/,
    ],
    [
      'a target with channels last',
      (pred, target) => [pred, last(target)],
      /\[1,32,32,3\] looks like \[B, H, W, C\].*use image\.transpose/,
    ],
    [
      'a promise',
      (_, target) => [Promise.resolve(), target],
      /^pred should be an array .*, got a promise: await it first$/,
    ],
    ['a scalar', (_, target) => [np.array(0.5), target], /^an image batch \[B, C, H, W\] is expected, got shape \[\]/],
    ['NaN', (pred, target) => [pred.mul(Number.NaN), target], /^pred holds NaN at \[0,0,0,0\]/],
    ['one array twice', (pred) => [pred, pred], /^pred was consumed before, or is given twice: pass pred\.ref/],
  ];

  it.each(cases)('%s is refused in a line', async (_, prepare, message) => {
    const given = prepare(...pair());
    const error = await failureOf(() => jaxLoss(loss)(...(given as [np.Array, np.Array])));
    expect(error).toBeInstanceOf(GlobalPercError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
    for (const array of given) if (array instanceof np.Array) expect(array.refCount).toBe(0);
  });

  it('a consumed array is refused, the other one still consumed', async () => {
    const [pred, target] = pair();
    pred.dispose();
    expect((await failureOf(() => jaxLoss(loss)(pred, target))).message).toMatch(/^pred was consumed before/);
    expect(target.refCount).toBe(0);
  });

  it('a disposed loss says so', async () => {
    const disposed = new nn.L1Loss();
    await disposed.dispose();
    const [pred, target] = pair();
    expect(await failureOf(() => jaxLoss(disposed)(pred, target))).toMatchObject({
      name: 'GlobalPercError',
      message: 'this loss was disposed; make a new one',
    });
    expect([pred.refCount, target.refCount]).toEqual([0, 0]);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a promise', () => Promise.resolve(loss), /^jaxLoss takes a loss, such as .*, got a promise: await it first$/],
    ['a configuration', () => loss.config, /got an object of class GlobalPercConfig$/],
    ['what jaxLoss made', () => jaxLoss(loss), /got (a|the) function/],
  ])('%s instead of a loss', (_, given, message) => {
    expect(() => jaxLoss(given() as Loss)).toThrow(message);
  });

  it('valueAndGradWith without a function is refused', () => {
    const raw = loss as unknown as ReturnType<typeof jaxLoss>;
    expect(() => valueAndGradWith(student, raw)).toThrow(
      /^valueAndGradWith takes .* got (a|the) function.* and an object of class GlobalPercLoss$/,
    );
  });

  it('a step inside of jit is refused at once', () => {
    const params = paramsOf(new Student());
    const [x, y] = pair();
    const step = valueAndGradWith(student, jaxLoss(loss)) as unknown as typeof student;
    expect(() => jit((weights: Params, input: np.Array) => step(weights, input))(params, x)).toThrow(
      /^params is being traced.*called outside of them/,
    );
    y.dispose();
  });

  it('a call inside of grad is refused at once', () => {
    const [pred, target] = pair();
    const inside = (image: np.Array): np.Array => jaxLoss(loss)(image, target) as unknown as np.Array;
    expect(() => valueAndGrad(inside)(pred)).toThrow(/^pred is being traced.*valueAndGradWith/);
    expect(target.refCount).toBe(0);
  });
});

it('works where there is no navigator, as on Node 20', async () => {
  vi.stubGlobal('navigator', undefined);
  expect(await init('wasm')).toContain('wasm');
  const params = paramsOf(new Student());
  const [x, y] = pair();
  const [pred, pullback] = vjp((weights: Params) => student(weights, x), [params]);
  const { grad } = await jaxLoss(loss)(pred, y);
  const [grads] = pullback(grad);
  pullback.dispose();
  for (const array of tree.leaves<np.Array>(grads)) expect((await array.data()).every(Number.isFinite)).toBe(true);
});

it('stays on the device of the prediction', async () => {
  const on = (array: np.Array): np.Array => np.array(array.dataSync(), { shape: [1, 3, 32, 32], device: 'cpu' });
  const [pred, target] = pair();
  const { grad } = await jaxLoss(loss)(on(pred), target);
  expect(grad.device).toBe('cpu');
});
