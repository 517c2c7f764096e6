/** Images in another layout than the model's: what the message says to do. */
import { afterAll, describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { CenterCrop, Compose, Grayscale, Normalize, type Transform } from '../../src/transforms/index.js';
import { floatTensor, input, modelBytes } from '../onnx/build.js';

/** relu(conv(x)) with three channels in, for an input as it is declared. */
const modelOf = (declared: readonly (number | string)[], channels = 3, group = 1) =>
  loadModel(
    modelBytes({
      inputs: [input('x', declared)],
      nodes: [
        ['Conv', ['x', 'w'], ['h'], { group }],
        ['Relu', ['h'], ['y']],
      ],
      initializers: [
        floatTensor(
          'w',
          [group, channels / group, 1, 1],
          Array.from({ length: channels }, (_, i) => i + 1),
        ),
      ],
    }),
  );
const FIXED = [1, 3, 8, 10];
const OPEN = ['batch', 'channels', 'height', 'width'];

const GREY =
  '[1, 1, 8, 10] looks like a grey image: repeat its channel 3 times, as transforms.Grayscale({ numOutputChannels: 3 }) in ' +
  'transformNormalization does';

const losses: GlobalPercLoss[] = [];
afterAll(() => Promise.all(losses.map((loss) => loss.dispose())));

async function lossOf(declared: readonly (number | string)[], transform?: Transform) {
  const transformNormalization = transform && { transformNormalization: transform };
  const config = new GlobalPercConfig({ printData: false, ...transformNormalization });
  const loss = new GlobalPercLoss(await modelOf(declared), config);
  losses.push(loss);
  return loss;
}

const image = (dims: number[]) => ({
  dims,
  data: new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(0.5),
});

describe.each([
  ['fixed', FIXED],
  ['open', OPEN],
])('%s dimensions', (_label, declared) => {
  it.each<[number[], string]>([
    [[8, 10, 3], '[8, 10, 3] looks like height, width, channels: transpose to [1, 3, 8, 10]'],
    [[3, 8, 10], '[3, 8, 10] looks like channels, height, width: add the batch dimension, reshape to [1, 3, 8, 10]'],
    [[2, 8, 10, 3], '[2, 8, 10, 3] looks like batch, height, width, channels: transpose to [2, 3, 8, 10]'],
    [
      [8, 10],
      '[8, 10] looks like height, width: reshape to [1, 1, 8, 10], and repeat its channel 3 times, as transforms.Grayscale(',
    ],
    [[1, 1, 8, 10], GREY],
    [
      [1, 4, 8, 10],
      '[1, 4, 8, 10] looks like a picture with alpha: compose it over a colour, or leave out its fourth channel',
    ],
    [[1, 2, 8, 10], 'it has 2 channels, 3 are needed'],
  ])('%j', async (dims, remedy) => {
    const loss = await lossOf(declared);
    await expect(loss.evaluate(image(dims), image(dims))).rejects.toThrow(remedy);
  });

  it('a grey image is taken behind Grayscale, as its channel three times', async () => {
    const grey = { dims: [1, 1, 8, 10], data: Float32Array.from({ length: 80 }, (_, i) => i / 80) };
    const three = { dims: [1, 3, 8, 10], data: Float32Array.of(...grey.data, ...grey.data, ...grey.data) };
    const normalize = new Normalize({ mean: [0.1, 0.2, 0.3], std: [1, 2, 3] });
    const transform = new Compose([new Grayscale({ numOutputChannels: 3 }), normalize]);
    const [loss, plain] = [await lossOf(declared, transform), await lossOf(declared, normalize)];
    const black = (dims: number[]) => ({ dims, data: image(dims).data.map(() => 0) });
    const { value, grad } = await loss.valueAndGrad(grey, black(grey.dims));
    const expected = await plain.valueAndGrad(three, black(three.dims));
    expect(value).toBeCloseTo(expected.value, 5);
    expect(grad.dims).toEqual([1, 1, 8, 10]);
    const summed = Array.from(grad.data, (_, i) =>
      [0, 80, 160].reduce((sum, at) => sum + (expected.grad.data[at + i] ?? 0), 0),
    );
    for (const [i, entry] of grad.data.entries()) expect(entry).toBeCloseTo(summed[i] as number, 5);
  });

  it.each<[string, Transform, number]>([
    ['Normalize', new Normalize({ mean: [0.5, 0.5, 0.5], std: [1, 1, 1] }), 1],
    ['Grayscale to one channel', new Grayscale(), 3],
  ])('a grey image is told behind %s', async (_label, transform, channels) => {
    const loss = await lossOf(declared, transform);
    const given = image([1, channels, 8, 10]);
    await expect(loss.evaluate(given, given)).rejects.toThrow(GREY);
  });
});

it.each<[string, Transform]>([
  ['that refuses it', new Normalize({ mean: [0.5, 0.5, 0.5], std: [1, 1, 1] })],
  ['that takes it for another', new CenterCrop([8, 10])],
])('is told behind a transform %s', async (_label, transform) => {
  const loss = await lossOf(FIXED, transform);
  const given = image([1, 8, 10, 3]);
  await expect(loss.evaluate(given, given)).rejects.toThrow('transpose to [1, 3, 8, 10]');
});

it('leaves another size of the right layout to cropping', async () => {
  const loss = await lossOf(FIXED);
  await expect(loss.evaluate(image([1, 3, 9, 9]), image([1, 3, 9, 9]))).rejects.toThrow('crop or resize');
});

it('knows the channels of a grouped convolution', async () => {
  const model = await modelOf(OPEN, 4, 2);
  expect(() => model.checkInputShape([1, 8, 8, 4])).toThrow('transpose to [1, 4, 8, 8]');
  model.checkInputShape([1, 4, 8, 8]);
});

describe('a first convolution', () => {
  const cutting = (kernel: number, stride: number) =>
    loadModel(
      modelBytes({
        inputs: [input('x', OPEN)],
        nodes: [['Conv', ['x', 'w'], ['y'], { strides: [stride, stride] }]],
        initializers: [floatTensor('w', [1, 3, kernel, kernel], new Array(3 * kernel * kernel).fill(1))],
      }),
    );

  it.each([
    [8, [16, 17], '16 × 16 or 24'],
    [14, [13, 28], '14 × 28'],
    [16, [40, 8], '32 or 48 × 16'],
  ])('that cuts patches of %i refuses sides of %o', async (patch, sides, nearest) => {
    const model = await cutting(patch, patch);
    expect(() => model.checkInputShape([1, 3, ...sides])).toThrow(
      `accepts multiples of ${patch}, got [1, 3, ${sides.join(', ')}] (after transformNormalization); the nearest sizes are ${nearest}`,
    );
    model.checkInputShape([1, 3, 2 * patch, patch]);
  });

  it.each([
    ['overlaps', 11, 4],
    ['shrinks as a backbone of convolutions does', 4, 4],
    ['leaves pixels out', 8, 16],
  ])('that %s takes any size', async (_what, kernel, stride) => {
    (await cutting(kernel, stride)).checkInputShape([1, 3, 65, 67]);
  });
});
