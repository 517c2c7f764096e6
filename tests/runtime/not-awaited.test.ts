/** Calls that are not awaited: the caller goes on with his buffers, and may think better of it. */
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, MSELoss, NormalizedTensorLoss } from '../../src/loss/index.js';
import { loadModel, snapshot } from '../../src/model/index.js';
import { Conv2d, manualSeed } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { input, modelBytes } from '../onnx/build.js';

const DIMS = [1, 2, 2, 2];
/** relu(image · factor) */
const MODEL = modelBytes({
  inputs: [input('image', ['batch', 2, 2, 2]), input('factor', [1], ElementType.FLOAT)],
  nodes: [
    ['Mul', ['image', 'factor'], ['scaled']],
    ['Relu', ['scaled'], ['y']],
  ],
  outputs: ['y'],
});

/** Made anew for every call, since the calls' buffers are spoilt. */
const given = () => ({
  pred: { dims: [...DIMS], data: Float32Array.from({ length: 8 }, (_, i) => (i + 1) / 8) },
  target: { dims: [...DIMS], data: new Float32Array(8).fill(0.25) },
  factor: { dims: [1], data: Float32Array.of(2) },
});
type Given = ReturnType<typeof given>;

const mse = new MSELoss();
let perceptual: GlobalPercLoss;
let trainer: Trainer;
beforeAll(async () => {
  const config = new GlobalPercConfig({
    modulesToHook: ['ReLU'],
    lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
    printData: false,
  });
  perceptual = new GlobalPercLoss(await loadModel(MODEL, { input: 'image' }), config);
  manualSeed(1);
  // Without a learning rate every step is the first.
  trainer = await Trainer.create(new Conv2d(2, 2, 1), new MSELoss(), new SGD({ lr: 0 }), { batch: DIMS });
});
afterAll(() => Promise.all([mse.dispose(), perceptual.dispose(), trainer.dispose()]));

const plain = ({ value, grad }: { value: number; grad: { data: unknown } }) => [value, grad.data];

const CALLS: [string, (tensors: Given) => Promise<unknown>][] = [
  ['loss.evaluate', ({ pred, target }) => mse.evaluate(pred, target)],
  ['loss.valueAndGrad', ({ pred, target }) => mse.valueAndGrad(pred, target).then(plain)],
  ['loss.valueAndHooks', ({ pred, target, factor }) => perceptual.valueAndHooks(pred, target, { inputs: { factor } })],
  [
    'loss.encode',
    async ({ pred, target }) => {
      const [encoded, own] = [mse.encode(target), snapshot(pred)];
      return mse.evaluate(own, await encoded);
    },
  ],
  [
    'further inputs',
    ({ pred, target, factor }) => perceptual.valueAndGrad(pred, target, { inputs: { factor } }).then(plain),
  ],
  ['Trainer.step', ({ pred, target }) => trainer.step(pred, target).then(({ loss }) => loss)],
  ['Trainer.evaluate', ({ pred, target }) => trainer.evaluate(pred, target)],
  ['Trainer.predict', ({ pred }) => trainer.predict(pred)],
];

describe('buffers that are filled anew while a call waits', () => {
  it.each(CALLS)('leave its result alone: %s', async (_, call) => {
    const expected = await call(given());
    const tensors = given();
    const spoil = () => {
      for (const { data, dims } of Object.values(tensors)) {
        data.fill(79);
        dims.fill(3);
      }
    };
    // One runs, the other waits for its turn.
    const [first, second] = [call(given()), call(tensors)];
    spoil();
    expect(await first).toEqual(expected);
    expect(await second).toEqual(expected);
  });

  it('of a loss once more, by hand', async () => {
    const { pred, target } = given();
    const value = mse.evaluate(pred, target);
    pred.data.fill(79.5);
    expect(await value).toBeCloseTo(
      Array.from(given().pred.data, (x) => (x - 0.25) ** 2 / 8).reduce((a, b) => a + b),
      6,
    );
  });
});

describe('a snapshot', () => {
  it.each([
    Float32Array.of(1, 2),
    BigInt64Array.of(1n, 2n),
    Buffer.from([1, 2]),
    new Float32Array(new SharedArrayBuffer(8)),
    new Float64Array(4).subarray(1, 3),
    [1, 2],
  ])('of %o shares nothing with it', (data) => {
    const before = Array.from(data as ArrayLike<number | bigint>);
    const dims = [2];
    const taken = snapshot({ data, dims });
    (data as number[]).fill((typeof data[0] === 'bigint' ? 9n : 9) as number);
    dims[0] = 7;
    expect(taken.dims).toEqual([2]);
    expect(Array.from(taken.data as ArrayLike<number | bigint>)).toEqual(before);
    expect(ArrayBuffer.isView(taken.data)).toBe(ArrayBuffer.isView(data));
  });

  it.each([undefined, null, 3, 'pred', {}, { data: [1] }, { dims: [1] }, { data: null, dims: [1] }, Promise.resolve()])(
    'of %o is itself, for what takes tensors to refuse',
    (value) => expect(snapshot(value)).toBe(value),
  );
});

describe('a signal', () => {
  it('that is aborted stops a call also when everything is compiled', async () => {
    const { pred, target } = given();
    await mse.valueAndGrad(pred, target);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(mse.valueAndGrad(pred, target, { signal })).rejects.toThrow(/^enough$/);
    await expect(mse.evaluate(pred, target, { signal })).rejects.toThrow(/^enough$/);
    await expect(mse.encode(target, { signal })).rejects.toThrow(/^enough$/);
    await expect(mse.compile(DIMS, { signal })).rejects.toThrow(/^enough$/);
    expect(await mse.evaluate(target, target)).toBe(0);
  });

  it('that is aborted while the call waits for its turn stops it, and no other', async () => {
    const { pred, target } = given();
    const controller = new AbortController();
    const [running, waiting] = [mse.evaluate(pred, target), mse.evaluate(pred, target, { signal: controller.signal })];
    const after = mse.evaluate(target, target);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow(/^enough$/);
    expect(await running).toBeGreaterThan(0);
    expect(await after).toBe(0);
  });

  it('that is aborted while the model is examined is what the call rejects with', async () => {
    const { pred, target, factor } = given();
    const model = await loadModel(MODEL, { input: 'image', inputs: { factor } });
    await using loss = new GlobalPercLoss(model, new GlobalPercConfig({ printData: false }));
    const controller = new AbortController();
    const stop = ({ step }: { step: string }) => step === 'specialize' && controller.abort(new Error('enough'));
    const options = { signal: controller.signal, onProgress: stop };
    await expect(loss.evaluate(pred, target, options)).rejects.toThrow(/^enough$/);
    expect(await loss.evaluate(target, target)).toBe(0);
  });
});
