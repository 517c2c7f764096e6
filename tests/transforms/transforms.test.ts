/** Transforms and their gradients against torchvision. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { constantOf, GlobalPercError, numbersOf, type Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import {
  CenterCrop,
  Compose,
  Draws,
  fromJSON,
  Grayscale,
  Lambda,
  Normalize,
  Pad,
  PermuteChannels,
  RandomCrop,
  RandomShift,
  Resize,
} from '../../src/transforms/index.js';
import { expectClose, feedOf, numbersIn, runGraph, withSession } from '../support/run.js';
import { readFixture } from '../support/safetensors.js';

interface Case {
  name: string;
  transform: object;
  image: string;
  output: string;
  cotangent: string;
  grad: string;
}

const fixture = readFixture<Case>('transforms.safetensors');

describe('against torchvision', () => {
  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const graph = createGraph();
    const data = fixture.tensor(test.image);
    const image = graph.input('image', 'float32', data.shape);
    const output = fromJSON([test.transform]).apply(image, new Draws());
    expect(output.shape).toEqual(fixture.tensor(test.output).shape);
    const loss = output.mul(graph.constant(fixture.tensor(test.cotangent))).sum();
    const grad = gradient(loss, [image])[0] as Tensor;
    const results = await runGraph(graph, { output, grad }, { image: data });
    expectClose(results.output ?? [], numbersOf(fixture.tensor(test.output)), 1e-5, 'output');
    expectClose(results.grad ?? [], numbersOf(fixture.tensor(test.grad)), 1e-5, 'gradient');
  });
});

it.each([
  [16, 40, 20, 33, 13, 33],
  [40, 16, 20, 33, 33, 13],
  [16, 20, 20, 33, 20, 25],
  [1000, 333, 800, 1333, 1333, 443],
  // Not in torchvision, but in files of the hub.
  [16, 40, 32, 32, 12, 32],
  [16, 16, 32, 24, 24, 24],
])('Resize of %i × %i to %i, at most %i, as torchvision', (height, width, size, maxSize, ...expected) => {
  const image = createGraph().input('image', 'float32', [1, 3, height, width]);
  expect(new Resize(size, { maxSize }).apply(image).shape).toEqual([1, 3, ...expected]);
});

it.each([
  ['nearest', [24, 32]],
  ['down', [16, 32]],
  ['up', [24, 40]],
] as const)('Resize rounds 21 × 35 to multiples of 8: %s', (rounding, expected) => {
  const image = createGraph().input('image', 'float32', [1, 3, 21, 35]);
  const resize = new Resize('input', { ensureMultipleOf: 8, rounding });
  expect(resize.apply(image).shape).toEqual([1, 3, ...expected]);
  expect(new Resize(21, { ensureMultipleOf: 8, rounding }).apply(image).shape).toEqual([1, 3, ...expected]);
});

it('Resize to two sizes with keepAspectRatio gives what Resize to the size it comes to gives', async () => {
  const graph = createGraph();
  const image = graph.input('image', 'float32', [1, 3, 7, 10]);
  const kept = new Resize([4, 8], { keepAspectRatio: true, ensureMultipleOf: 2, interpolation: 'bicubic' });
  const outputs = { kept: kept.apply(image), plain: new Resize([6, 8], { interpolation: 'bicubic' }).apply(image) };
  expect(outputs.kept.shape).toEqual([1, 3, 6, 8]);
  const values = Array.from({ length: 210 }, (_, i) => (i * 37) % 101);
  const results = await runGraph(graph, outputs, { image: constantOf('float32', [1, 3, 7, 10], values) });
  expectClose(results.kept ?? [], results.plain ?? [], 0, 'kept');
});

it('Resize with keepAspectRatio takes the scale of the height where both are as near to 1', () => {
  const image = createGraph().input('image', 'float32', [1, 3, 8, 10]);
  expect(new Resize([4, 15], { keepAspectRatio: true }).apply(image).shape).toEqual([1, 3, 4, 5]);
});

it('Normalize with one mean and deviation takes any number of channels', async () => {
  const graph = createGraph();
  const output = new Normalize({ mean: [1], std: [2] }).apply(graph.input('image', 'float32', [1, 3, 1, 1]));
  const image = constantOf('float32', [1, 3, 1, 1], [1, 5, -3]);
  expect((await runGraph(graph, { output }, { image })).output).toEqual([0, 2, -2]);
});

it('Compose expects images in [0, 1] where one of its transforms does', () => {
  const [normalize, crop] = [new Normalize({ mean: [0], std: [1] }), new CenterCrop(4)];
  expect(new Compose([crop, normalize]).normalizes).toBe(true);
  expect(new Compose([crop]).normalizes).toBe(false);
});

it('PermuteChannels reorders channels', async () => {
  const graph = createGraph();
  const image = graph.input('image', 'float32', [1, 3, 1, 2]);
  const output = fromJSON([{ permuteChannels: [2, 1, 0] }]).apply(image, new Draws());
  const data = constantOf('float32', [1, 3, 1, 2], [1, 2, 3, 4, 5, 6]);
  expectClose((await runGraph(graph, { output }, { image: data })).output ?? [], [5, 6, 3, 4, 1, 2], 0, 'output');
});

describe('RandomShift', () => {
  const [height, width, pixels] = [4, 5, 2];
  const values = Array.from({ length: height * width }, (_, i) => ((i * 7) % 13) - 5);
  const cotangents = values.map((_, i) => ((i * 5) % 11) / 4);
  /** A position outside is that of its mirror image; the edge itself is not repeated. */
  const reflected = (at: number, side: number): number => (at < 0 ? -at : at >= side ? 2 * (side - 1) - at : at);

  it.each([
    [0, 0, -2, -2],
    [0.5, 0.5, 0, 0],
    [0.21, 0.79, -1, 1],
    [0.9999999, 0.3, 2, -1],
    [1, 1, 2, 2],
  ])('of draws %d and %d is by %i and %i pixels, its border reflected', async (first, second, down, right) => {
    const graph = createGraph();
    const shift = new RandomShift(pixels);
    const draws = new Draws();
    draws.once(shift, () => graph.constant(constantOf('float32', [2], [first, second])));
    const image = graph.input('image', 'float32', [1, 1, height, width]);
    const output = shift.apply(image, draws);
    const loss = output.mul(graph.constant(constantOf('float32', [1, 1, height, width], cotangents))).sum();
    const grad = gradient(loss, [image])[0] as Tensor;
    const results = await runGraph(graph, { output, grad }, { image: constantOf('float32', image.shape, values) });
    const sources = values.map(
      (_, i) => width * reflected(Math.floor(i / width) + down, height) + reflected((i % width) + right, width),
    );
    expect(results.output).toEqual(sources.map((source) => values[source]));
    const expected = values.map(() => 0);
    sources.forEach((source, i) => {
      expected[source] = (expected[source] as number) + (cotangents[i] as number);
    });
    expectClose(results.grad ?? [], expected, 1e-6, 'gradient');
  });

  it('is read from JSON', () => {
    const [image, draws] = [createGraph().input('image', 'float32', [2, 3, 8, 9]), new Draws()];
    expect(fromJSON([{ randomShift: 7 }]).apply(image, draws).shape).toEqual([2, 3, 8, 9]);
    expect(fromJSON([{ randomShift: { pixels: 7, seed: 3 } }]).apply(image, draws).shape).toEqual([2, 3, 8, 9]);
    expect(draws.used).toBe(true);
  });
});

describe('wrong use', () => {
  const image = () => createGraph().input('image', 'float32', [1, 3, 8, 8]);
  it.each([
    ['a size of zero', () => new CenterCrop(0), /CenterCrop: size should be a positive integer/],
    [
      'a std of zero',
      () => new Normalize({ mean: [0], std: [0] }),
      /Normalize: std should be without zeros, got \[0\]/,
    ],
    [
      'channels that differ',
      () => new Normalize({ mean: [0, 0], std: [1, 1] }).apply(image()),
      /2 means, the image 3 channels/,
    ],
    ['a channel left out', () => new PermuteChannels([0, 2]), /every channel once, such as \[2, 1, 0\], got \[0, 2\]/],
    ['other channels', () => new PermuteChannels([1, 0]).apply(image()), /PermuteChannels has 2 channels, the image 3/],
    [
      'a maxSize below the size',
      () => new Resize(9, { maxSize: 0 }),
      /Resize: maxSize should be an integer from 1 on, got 0/,
    ],
    [
      'keepAspectRatio beside maxSize',
      () => new Resize(9, { maxSize: 12, keepAspectRatio: true }),
      /keepAspectRatio needs a size in pixels, and no maxSize beside it/,
    ],
    ['keepAspectRatio of any size', () => new Resize('input', { keepAspectRatio: true }), /needs a size in pixels/],
    [
      'half a multiple',
      () => new Resize(9, { ensureMultipleOf: 0.5 }),
      /Resize: ensureMultipleOf should be an integer from 1 on, got 0.5/,
    ],
    [
      'an unknown rounding',
      () => new Resize(9, { rounding: 'away' as never }),
      /rounding should be one of nearest, down/,
    ],
    [
      'an image smaller than a multiple',
      () => new Resize('input', { ensureMultipleOf: 32, rounding: 'down' }).apply(image()),
      /an image of shape \[1,3,8,8\] becomes 0×0, as sides are multiples of 32/,
    ],
    ['three paddings', () => new Pad([1, 2, 3] as never), /1, 2 or 4 non-negative integers/],
    [
      'a reflection as large as the image',
      () => new Pad(8, { mode: 'reflect' }).apply(image()),
      /needs a larger image/,
    ],
    [
      'a reflection as high as the image',
      () => new Pad([0, 0, 0, 8], { mode: 'reflect' }).apply(image()),
      /needs a larger image/,
    ],
    [
      'a reflection as wide as the image',
      () => new Pad([8, 0, 0, 0], { mode: 'reflect' }).apply(image()),
      /needs a larger image/,
    ],
    [
      'a crop larger than the image',
      () => new RandomCrop(9).apply(image(), new Draws()),
      /does not fit an image of shape \[1,3,8,8\]/,
    ],
    ['no shift', () => new RandomShift(0), /RandomShift: pixels should be an integer from 1 on, got 0/],
    ['a shift of half a pixel', () => fromJSON([{ randomShift: 0.5 }]), /randomShift: pixels should be an integer/],
    [
      'a shift as large as the image',
      () => new RandomShift(8).apply(image(), new Draws()),
      /RandomShift by 8 pixels needs an image with larger sides, got shape \[1,3,8,8\]/,
    ],
    [
      'two channels of grey',
      () => new Grayscale({ numOutputChannels: 2 as never }),
      /Grayscale: numOutputChannels should be 1 or 3, got 2/,
    ],
    [
      'Grayscale of an image with alpha',
      () => new Grayscale().apply(createGraph().input('image', 'float32', [1, 4, 8, 8])),
      /Grayscale takes images with 1 or 3 channels, got shape \[1,4,8,8\]/,
    ],
    [
      'an unknown interpolation',
      () => new Resize(4, { interpolation: 'lanczos' as never }),
      /bilinear, bicubic, got "lanczos"/,
    ],
    [
      'an unknown option',
      () => fromJSON([{ resize: { size: 8, max_size: 9 } }]),
      /transformNormalization\[0\]: resize: 'max_size' is not known; did you mean 'maxSize'\?/,
    ],
    ['no means', () => fromJSON([{ normalize: null }]), /normalize should be an object of options, got null/],
    ['no padding', () => fromJSON([{ pad: null }]), /pad: padding should be 1, 2 or 4 non-negative integers, got null/],
    [
      'the name of a property of objects',
      () => fromJSON([{ toString: 3 }]),
      /transformNormalization\[0\]: 'toString' is not known/,
    ],
    [
      'an unknown transform',
      () => fromJSON([{ rotate: 3 }]),
      /transformNormalization\[0\]: 'rotate' is not known; known are centerCrop/,
    ],
  ])('%s', (_label, use, message) => {
    expect(use).toThrow(GlobalPercError);
    expect(use).toThrow(message);
  });
});

describe('Draws', () => {
  it('draw once for a transform, and again for another one', () => {
    const draws = new Draws();
    const graph = createGraph();
    const [first, second] = [new RandomCrop(2), new RandomCrop(2)];
    const draw = () => graph.scalar(0, 'float32');
    expect(draws.used).toBe(false);
    const drawn = draws.once(first, draw);
    expect(draws.used).toBe(true);
    expect(draws.once(first, draw)).toBe(drawn);
    expect(draws.once(second, draw)).not.toBe(drawn);
  });

  it('put one RandomCrop at one place in several images, in any row and column', async () => {
    const graph = createGraph();
    const shape = [1, 1, 4, 4];
    const [draws, crop] = [new Draws(), new RandomCrop(3)];
    for (const name of ['a', 'b']) graph.output(`${name}.crop`, crop.apply(graph.input(name, 'float32', shape), draws));
    const image = feedOf(constantOf('float32', shape, [...Array(16).keys()]));
    const corners = await withSession(graph, async ({ run }) => {
      const seen = new Set<number | undefined>();
      for (let i = 0; i < 80; i += 1) {
        const results = await run({ a: image, b: image });
        expect(numbersIn(results['a.crop'])).toEqual(numbersIn(results['b.crop']));
        seen.add(numbersIn(results['a.crop'])[0]);
      }
      return seen;
    });
    expect(corners).toEqual(new Set([0, 1, 4, 5]));
  });
});

it('Lambda applies any function of a tensor', () => {
  expect(
    new Lambda((image) => image.mean([1])).apply(createGraph().input('image', 'float32', [1, 3, 8, 8])).shape,
  ).toEqual([1, 8, 8]);
});
