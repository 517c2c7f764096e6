/** Every supported Keras layer and argument: values and gradients, held to TensorFlow.js. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromLayersModel } from '../../../src/adapters/tfjs/index.js';
import { GlobalPercConfig, GlobalPercLoss, NormalizedTensorLoss, type TensorLike } from '../../../src/index.js';
import { relativeError } from '../../support/run.js';
import { both, images, largestError, ours, randomize } from './keras.js';

type Layer = tf.layers.Layer;

/** A case: its name, the layers, and the shape of an image if not the usual one. */
type Case = readonly [string, () => Layer | Layer[], (readonly [number, number, number])?];

const { layers } = tf;
const ODD = [7, 9, 3] as const;
const EVEN = [8, 6, 3] as const;
const SIZES = [ODD, EVEN] as const;

/** Convolutions and pools meet odd and even sizes, since padding depends on them. */
const onBoth = (name: string, make: () => Layer | Layer[]): Case[] =>
  SIZES.map((size) => [`${name} on ${size[0]} × ${size[1]}`, make, size]);

const conv = (args: Partial<Parameters<typeof layers.conv2d>[0]>) => () =>
  layers.conv2d({ filters: 4, kernelSize: 3, ...args });
const depthwise = (args: Partial<Parameters<typeof layers.depthwiseConv2d>[0]>) => () =>
  layers.depthwiseConv2d({ kernelSize: 3, ...args });
const separable = (args: Partial<Parameters<typeof layers.separableConv2d>[0]>) => () =>
  layers.separableConv2d({ filters: 4, kernelSize: 3, ...args });
const transposed = (args: Partial<Parameters<typeof layers.conv2dTranspose>[0]>) => () =>
  layers.conv2dTranspose({ filters: 4, kernelSize: 3, ...args });

const CONVOLUTIONS: Case[] = [
  ...onBoth('Conv2D', conv({})),
  ...onBoth('Conv2D same', conv({ padding: 'same' })),
  ...onBoth('Conv2D same, even kernel', conv({ padding: 'same', kernelSize: [2, 4] })),
  ...onBoth('Conv2D same, strided', conv({ padding: 'same', strides: 2 })),
  ...onBoth('Conv2D same, strides of two kinds', conv({ padding: 'same', strides: [3, 1], kernelSize: [5, 4] })),
  ...onBoth('Conv2D same, stride above the kernel', conv({ padding: 'same', strides: 3, kernelSize: 1 })),
  ...onBoth('Conv2D valid, strided', conv({ strides: [2, 3], kernelSize: [3, 2] })),
  ...onBoth('Conv2D same, dilated', conv({ padding: 'same', dilationRate: [2, 1], kernelSize: [3, 2] })),
  ...onBoth('Conv2D valid, dilated', conv({ dilationRate: 2 })),
  ...onBoth('Conv2D without bias', conv({ useBias: false, padding: 'same', strides: 2 })),
  ...onBoth('DepthwiseConv2D', depthwise({})),
  ...onBoth(
    'DepthwiseConv2D same, strided, multiplied',
    depthwise({ depthMultiplier: 2, padding: 'same', strides: 2 }),
  ),
  ...onBoth('DepthwiseConv2D without bias', depthwise({ depthMultiplier: 3, useBias: false, padding: 'same' })),
  ...onBoth('SeparableConv2D', separable({})),
  ...onBoth(
    'SeparableConv2D same, strided',
    separable({ padding: 'same', strides: 2, depthMultiplier: 2, activation: 'elu' }),
  ),
  ...onBoth('SeparableConv2D dilated, without bias', separable({ padding: 'same', dilationRate: 2, useBias: false })),
  ...onBoth('Conv2DTranspose', transposed({})),
  ...onBoth('Conv2DTranspose same, strided', transposed({ padding: 'same', strides: 2 })),
  ...onBoth('Conv2DTranspose same, even kernel', transposed({ padding: 'same', strides: 2, kernelSize: 4 })),
  ...onBoth(
    'Conv2DTranspose same, large odd rest',
    transposed({ padding: 'same', strides: [1, 2], kernelSize: [4, 5] }),
  ),
  ...onBoth(
    'Conv2DTranspose same, kernel below stride',
    transposed({ padding: 'same', strides: [3, 2], kernelSize: [2, 1] }),
  ),
  ...onBoth('Conv2DTranspose valid, strided', transposed({ strides: [2, 3], kernelSize: [5, 3], activation: 'relu' })),
  ...onBoth('Conv2DTranspose valid, kernel below stride', transposed({ strides: 3, kernelSize: 2 })),
  ...onBoth('Conv2DTranspose without bias', transposed({ strides: 2, useBias: false })),
];

const POOLS: Case[] = (['maxPooling2d', 'averagePooling2d'] as const).flatMap((name) => [
  ...onBoth(name, () => layers[name]({ poolSize: 2 })),
  ...onBoth(`${name} same`, () => layers[name]({ poolSize: 2, padding: 'same' })),
  ...onBoth(`${name} same, 3 by 2`, () => layers[name]({ poolSize: 3, strides: 2, padding: 'same' })),
  ...onBoth(`${name} same, stride 1`, () => layers[name]({ poolSize: [3, 2], strides: 1, padding: 'same' })),
  ...onBoth(`${name} same, of single pixels`, () => layers[name]({ poolSize: 1, strides: 2, padding: 'same' })),
  ...onBoth(`${name} valid, of two kinds`, () => layers[name]({ poolSize: [2, 3], strides: [1, 2] })),
]);

const GAPS: Case[] = onBoth('averagePooling2d same, stride above the window', () =>
  layers.averagePooling2d({ poolSize: 2, strides: 3, padding: 'same' }),
);

const ACTIVATION_NAMES = [
  ...['linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'tanh', 'softmax', 'softplus', 'softsign'],
  ...['swish', 'mish', 'gelu', 'gelu_new', 'logSoftmax'],
] as const;
type ActivationName = NonNullable<Parameters<typeof layers.conv2d>[0]['activation']>;

/** Values far enough from 0 to reach every branch. */
const scaled = (layer: Layer): Layer[] => [layers.rescaling({ scale: 4, offset: 0.5 }), layer];

const ACTIVATIONS: Case[] = [
  ...ACTIVATION_NAMES.flatMap((name): Case[] => [
    [`Activation ${name}`, () => scaled(layers.activation({ activation: name as ActivationName }))],
    [`Conv2D with ${name}`, conv({ activation: name as ActivationName })],
    [`Dense with ${name}`, () => [layers.flatten(), layers.dense({ units: 5, activation: name as ActivationName })]],
  ]),
  ['ReLU', () => layers.reLU()],
  ['ReLU up to 6', () => scaled(layers.reLU({ maxValue: 6 }))],
  ['ReLU up to 1.5', () => scaled(layers.reLU({ maxValue: 1.5 }))],
  ['LeakyReLU', () => layers.leakyReLU()],
  ['LeakyReLU 0.1', () => layers.leakyReLU({ alpha: 0.1 })],
  ['PReLU', () => layers.prelu()],
  ['PReLU shared over space', () => layers.prelu({ sharedAxes: [1, 2] })],
  ['PReLU shared over rows', () => layers.prelu({ sharedAxes: [1] })],
  ['PReLU shared over channels', () => layers.prelu({ sharedAxes: [3] })],
  ['PReLU of features', () => [layers.flatten(), layers.prelu()]],
  ['ELU', () => layers.elu()],
  ['ThresholdedReLU', () => layers.thresholdedReLU()],
  ['ThresholdedReLU 0.3', () => layers.thresholdedReLU({ theta: 0.3 })],
  ['Softmax over channels', () => layers.softmax({ axis: -1 })],
  ['Softmax over axis 3', () => layers.softmax({ axis: 3 })],
  ['Softmax of vectors, default axis', () => [layers.flatten(), layers.softmax()]],
];

const NORMALIZATIONS: Case[] = [
  ['BatchNormalization', () => layers.batchNormalization()],
  ['BatchNormalization axis 3, epsilon', () => layers.batchNormalization({ axis: 3, epsilon: 0.1 })],
  ['BatchNormalization axis as Keras writes it', () => layers.batchNormalization({ axis: [3] as unknown as number })],
  ['BatchNormalization without scale', () => layers.batchNormalization({ scale: false })],
  ['BatchNormalization without centre', () => layers.batchNormalization({ center: false })],
  ['BatchNormalization of features', () => [layers.flatten(), layers.batchNormalization()]],
  ['BatchNormalization of tokens', () => [layers.reshape({ targetShape: [-1, 3] }), layers.batchNormalization()]],
  ['LayerNormalization', () => layers.layerNormalization()],
  ['LayerNormalization of images', () => layers.layerNormalization({ axis: [1, 2, 3] })],
  ['LayerNormalization of images by row', () => layers.layerNormalization({ axis: [2, 3], epsilon: 0.01 })],
  [
    'LayerNormalization of features, without scale',
    () => [layers.flatten(), layers.layerNormalization({ scale: false })],
  ],
  [
    'LayerNormalization of tokens, without centre',
    () => [layers.reshape({ targetShape: [-1, 3] }), layers.layerNormalization({ center: false })],
  ],
];

const SHAPES: Case[] = [
  ['Dense of pixels', () => layers.dense({ units: 5 })],
  ['Dense of pixels, softmax', () => layers.dense({ units: 5, activation: 'softmax', useBias: false })],
  ['Dense of tokens', () => [layers.reshape({ targetShape: [-1, 3] }), layers.dense({ units: 5, activation: 'relu' })]],
  ['Flatten, Dense', () => [layers.flatten(), layers.dense({ units: 5 })]],
  ['Flatten of tokens', () => [layers.reshape({ targetShape: [3, 63] }), layers.flatten()]],
  ['Reshape to an image', () => layers.reshape({ targetShape: [3, 7, 9] })],
  ['Reshape to rank 5', () => layers.reshape({ targetShape: [7, 3, 3, 3] })],
  ['Reshape with an open size, convolved', () => [layers.reshape({ targetShape: [-1, 9, 1] }), conv({})()]],
  ['Reshape of features to an image', () => [layers.flatten(), layers.reshape({ targetShape: [9, 7, 3] })]],
  ['Permute', () => layers.permute({ dims: [2, 3, 1] })],
  ['Permute of tokens', () => [layers.reshape({ targetShape: [-1, 3] }), layers.permute({ dims: [2, 1] })]],
  ['ZeroPadding2D', () => layers.zeroPadding2d()],
  [
    'ZeroPadding2D of four sides',
    () =>
      layers.zeroPadding2d({
        padding: [
          [0, 1],
          [2, 3],
        ],
      }),
  ],
  [
    'Cropping2D',
    () =>
      layers.cropping2D({
        cropping: [
          [1, 2],
          [0, 3],
        ],
      }),
  ],
  ['UpSampling2D', () => layers.upSampling2d({ size: [2, 3] })],
  ['UpSampling2D bilinear', () => layers.upSampling2d({ size: [2, 3], interpolation: 'bilinear' })],
  ['UpSampling2D bilinear 4', () => layers.upSampling2d({ size: [4, 4], interpolation: 'bilinear' })],
  ['GlobalAveragePooling2D', () => layers.globalAveragePooling2d({})],
  ['GlobalMaxPooling2D', () => layers.globalMaxPooling2d({})],
  ['Rescaling', () => layers.rescaling({ scale: 1 / 127.5, offset: -1 })],
  [
    'Dropout and noise',
    () => [
      layers.dropout({ rate: 0.5 }),
      layers.gaussianNoise({ stddev: 1 }),
      layers.alphaDropout({ rate: 0.5 }),
      layers.gaussianDropout({ rate: 0.5 }),
      conv({})(),
    ],
  ],
];

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** Layers with weights for every pixel, or that name sizes. */
const OF_ONE_SIZE = /^Dense with|Flatten|of features|of images|Reshape to|^PReLU$|PReLU shared over (rows|channels)/;

const FAMILIES = { CONVOLUTIONS, POOLS: [...POOLS, ...GAPS], ACTIVATIONS, NORMALIZATIONS, SHAPES };

/** Sequential models of one case, with random weights. */
const modelOf = (make: Case[1], size: readonly number[]): tf.LayersModel =>
  randomize(tf.sequential({ layers: [layers.inputLayer({ inputShape: [...size] }), ...[make()].flat()] }));

for (const [family, cases] of Object.entries(FAMILIES)) {
  describe(family.toLowerCase(), () => {
    for (const [name, make, size = ODD] of cases) {
      it(name, async () => {
        const { teacher, expected, actual } = await both(modelOf(make, size), images([2, ...size]));
        const declared = OF_ONE_SIZE.test(name) ? `${size[0]}, ${size[1]}` : 'height, width';
        expect(teacher.accepts).toBe(`[batch, 3, ${declared}]`);
        expect(new Set(Array.from(expected[0]?.data ?? [])).size).toBeGreaterThan(5);
        expect(largestError(actual[0], expected[0])).toBeLessThan(1e-5);
      });
    }
  });
}

/** Mean squared difference of what a teacher's last module returns, and its gradient with respect to the first images. */
async function lossOf(model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor) {
  const teacher = await fromLayersModel(model);
  const config = new GlobalPercConfig({
    modulesToHook: [new RegExp(`^${teacher.calls.at(-1)?.path}$`)],
    startWeight: 1,
    endWeight: 1,
    lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'),
    printData: false,
  });
  await using loss = new GlobalPercLoss(teacher, config);
  const [a, b] = [x, y].map(ours).map(({ dims, data }) => ({ dims, data: Float32Array.from(data) }));
  const { value, grad } = await loss.valueAndGrad(a as TensorLike, b as TensorLike);
  return { value, grad: Array.from(grad.data as Float32Array) };
}

/** What TensorFlow.js has no gradient of. */
const NO_GRADIENT = /dilated|^ThresholdedReLU|without (scale|centre)/;
/** Where its gradient is not that of what it computes. */
const LINEAR = /^averagePooling2d same|^UpSampling2D/;

describe('the gradient with respect to the images', () => {
  const cases = Object.values(FAMILIES)
    .flat()
    .filter(([name, , size]) => size !== EVEN && !NO_GRADIENT.test(name));

  for (const [name, make, size = ODD] of cases.filter(([name]) => !LINEAR.test(name))) {
    it(`${name}: that of TensorFlow.js`, async () => {
      const model = modelOf(make, size);
      const [x, y] = [images([2, ...size], 5), images([2, ...size], 6)];
      const features = (z: tf.Tensor): tf.Tensor => model.apply(z) as tf.Tensor;
      const theirs = tf.valueAndGrad((z) => tf.mean(tf.squaredDifference(features(z), features(y))))(x);
      const { value, grad } = await lossOf(model, x, y);
      expect(relativeError([value], theirs.value.dataSync())).toBeLessThan(1e-5);
      expect(relativeError(grad, ours(theirs.grad).data)).toBeLessThan(1e-5);
    });
  }

  for (const [name, make, size = ODD] of cases.filter(([name]) => LINEAR.test(name))) {
    it(`${name}: the adjoint of what TensorFlow.js computes`, async () => {
      const model = modelOf(make, size);
      const [x, y, direction] = [5, 6, 7].map((seed) => images([2, ...size], seed)) as [
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
      ];
      const features = (z: tf.Tensor): tf.Tensor => model.predict(z) as tf.Tensor;
      // The loss is mean f(x − y)², f being linear: its slope along d is 2 · mean f(x − y)·f(d).
      const slope = tf.mul(2, tf.mean(tf.mul(features(tf.sub(x, y)), features(direction)))).dataSync();
      const { grad } = await lossOf(model, x, y);
      const along = ours(direction).data;
      expect(relativeError([grad.reduce((sum, g, i) => sum + g * (along[i] as number), 0)], slope)).toBeLessThan(1e-4);
    });
  }
});
