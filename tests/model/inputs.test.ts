/** Models with several inputs: which one receives the image, and how the others get their values. */
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { afterAll, describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss } from '../../src/loss/index.js';
import { type InputValue, type LoadOptions, loadModel } from '../../src/model/index.js';
import { input, modelBytes } from '../onnx/build.js';

/** relu(image · factor + offset), and softplus(extra) beside it, which no hook of ours sees. */
const MODEL = modelBytes({
  inputs: [
    input('factor', ['batch'], ElementType.INT64),
    input('image', ['batch', 2, 'height', 'width']),
    input('offset', [1, 2, 1, 1]),
    input('extra', ['any']),
  ],
  nodes: [
    ['Cast', ['factor'], ['factors'], { to: ElementType.FLOAT }],
    ['Mul', ['image', 'factors'], ['scaled']],
    ['Add', ['scaled', 'offset'], ['sum']],
    ['Relu', ['sum'], ['y']],
    ['Softplus', ['extra'], ['z']],
  ],
  outputs: ['y', 'z'],
});
const IMAGE = { dims: [1, 2, 1, 2], data: [0.5, -0.25, 1, 0.75] };
const TARGET = { dims: [1, 2, 1, 2], data: [0, 0.25, 0.5, 0.5] };
const OFFSET = { dims: [1, 2, 1, 1], data: [0.25, -0.5] };
const config = new GlobalPercConfig({
  modulesToHook: ['ReLU'],
  lossFunc: new NormalizedTensorLoss('l1', 'mean', 'none'),
  printData: false,
});
const load = (options: LoadOptions & { trainable?: false } = {}) => loadModel(MODEL, { input: 'image', ...options });

/** By hand for factor 2: features (1.25, 0, 1.5, 1) and (0.25, 0.75, 0.5, 0.5). */
const LOSS = (1 + 0.75 + 1 + 0.5) / 4;
const GRAD = [0.5, 0, 0.5, 0.5];

const losses: GlobalPercLoss[] = [];
afterAll(() => Promise.all(losses.map((loss) => loss.dispose())));
async function lossOf(inputs: Readonly<Record<string, InputValue>>): Promise<GlobalPercLoss> {
  const loss = new GlobalPercLoss(await load({ inputs }), config);
  losses.push(loss);
  return loss;
}

describe('values of further inputs', () => {
  const all = { factor: 2, offset: OFFSET };
  const splits: [string, Record<string, InputValue>, Record<string, InputValue>][] = [
    ['all as constants', all, {}],
    ['all with the call', {}, all],
    ['some of each', { offset: OFFSET }, { factor: { dims: [1], data: [2] } }],
    ['and one that no hook depends on', { factor: 2 }, { offset: OFFSET, extra: 3 }],
  ];
  it.each(splits)('%s', async (_name, constants, called) => {
    const loss = await lossOf(constants);
    const { value, grad } = await loss.valueAndGrad(IMAGE, TARGET, { inputs: called });
    expect(value).toBeCloseTo(LOSS, 6);
    expect(Array.from(grad.data as Float32Array)).toEqual(GRAD);
    const encoded = await loss.encode(TARGET, { inputs: called });
    expect(await loss.evaluate(IMAGE, encoded, { inputs: called })).toBeCloseTo(LOSS, 6);
  });

  it('may change from call to call', async () => {
    const loss = await lossOf({ offset: OFFSET });
    expect(await loss.evaluate(IMAGE, TARGET, { inputs: { factor: 0 } })).toBe(0);
    expect(await loss.evaluate(IMAGE, TARGET, { inputs: { factor: 2 } })).toBeCloseTo(LOSS, 6);
  });

  it('are inputs of the compiled file', async () => {
    const loss = await lossOf({ offset: OFFSET });
    const compiled = await loadModel(await loss.compile(IMAGE.dims, { inputs: { factor: 1 } }), { input: 'pred' });
    expect(compiled.openInputs.map(({ name }) => name)).toEqual(['target', 'factor']);
  });
});

it('the only float32 input of rank 4 is the image', async () => {
  const inputs = [input('mask', [1, 3, 4, 4], ElementType.INT64), input('image', [1, 3, 4, 4]), input('scale', [3])];
  const model = await loadModel(modelBytes({ inputs, nodes: [['Relu', ['image'], ['y']]] }));
  expect(model.input.name).toBe('image');
  expect(model.openInputs.map(({ name }) => name)).toEqual(['mask', 'scale']);
});

describe('refused with a clear line', () => {
  const call = async (inputs: Readonly<Record<string, InputValue>>, constants: Record<string, InputValue> = {}) =>
    (await lossOf(constants)).evaluate(IMAGE, TARGET, { inputs });
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    ['an input without value', () => call({ offset: OFFSET }), /input 'factor' \(int64 \[batch\]\) has no value/],
    [
      'an unknown name',
      () => call({ timestep: 1 }),
      /no open input 'timestep' besides the image; open are factor, offset/,
    ],
    ['the image itself', () => call({ image: 1 }), /no open input 'image' besides the image/],
    [
      'a shape that does not fit',
      () => call({ offset: IMAGE }),
      /'offset' \(float32 \[1, 2, 1, 1\]\) got a tensor of shape/,
    ],
    [
      'another rank than that of open dimensions',
      () => call({ offset: OFFSET, factor: { dims: [1, 1], data: [1] } }),
      /'factor' \(int64 \[batch\]\) got a tensor of shape \[1,1\]/,
    ],
    ['too few values', () => call({ offset: { dims: [1, 2, 1, 1], data: [1] } }), /need 2 values, data holds 1/],
    ['half an index', () => call({ factor: 0.5 }), /got 0.5; integers are expected/],
    ['not a number', () => call({ offset: Number.NaN }), /got NaN; finite numbers are expected/],
    ['no tensor', () => call({ offset: 'x' as never }), /should be a number or a tensor/],
    [
      'an image input that does not exist',
      () => load({ input: 'pixels' }),
      /there is no input 'pixels'; the model has/,
    ],
    [
      'an image input of integers',
      async () => new GlobalPercLoss(await loadModel(MODEL, { input: 'factor' })),
      /'factor' is int64; a loss needs a float32 image input/,
    ],
    ['no clear image input', () => loadModel(MODEL), /say which receives the image/],
  ];
  it.each(cases)('%s', async (_name, run, message) => {
    await expect(run()).rejects.toThrow(message);
  });
});
