/** Layers that share their code with one that is held to PyTorch: over 1 or 3 axes they do what that one does over 2. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { type ConstantData, constantOf, type Shape, sizeOf, type Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { Generator } from '../../src/random/index.js';
import { expectClose, runGraph } from '../support/run.js';

const random = new Generator(1);
const normal = (shape: Shape): ConstantData =>
  constantOf(
    'float32',
    shape,
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );

/** Output, gradient of Σ⟨output, cotangent⟩ with respect to the input, and updated buffers, all flat. */
async function run(layer: nn.Module, x: ConstantData, cotangent?: ConstantData) {
  const graph = createGraph();
  const trace = new nn.Trace(graph, layer);
  const input = graph.input('x', 'float32', x.shape);
  const y = layer(input);
  const dy = cotangent ?? normal(y.shape);
  const [dx] = gradient(y.mul(graph.constant({ ...dy, shape: y.shape })).sum(), [input]) as [Tensor];
  const updates = Object.fromEntries(Array.from(trace.updates, ([buffer, value]) => [trace.pathOf(buffer), value]));
  return { shape: y.shape, dy, results: await runGraph(graph, { y, dx, ...updates }, { x }) };
}

interface Variant {
  readonly name: string;
  /** The layer over 2 axes, the first of which has one element. */
  readonly flat: () => nn.Module;
  readonly variant: () => nn.Module;
  /** Shape over 2 axes; the variant lacks the first of them, or has one more in front. */
  readonly shape: readonly [number, number, number, number];
}

/** Over 1 axis of L, over 2 axes of 1 × L. */
const lines: Variant[] = [
  [
    'Conv1d',
    () => new nn.Conv2d(4, 6, [1, 3], { stride: [1, 2], padding: [0, 1], groups: 2 }),
    () => new nn.Conv1d(4, 6, 3, { stride: 2, padding: 1, groups: 2 }),
  ] as const,
  [
    'ConvTranspose1d',
    () => new nn.ConvTranspose2d(4, 2, [1, 3], { stride: [1, 2], padding: [0, 1], outputPadding: [0, 1] }),
    () => new nn.ConvTranspose1d(4, 2, 3, { stride: 2, padding: 1, outputPadding: 1 }),
  ] as const,
  [
    'InstanceNorm1d',
    () => new nn.InstanceNorm2d(4, { affine: true, trackRunningStats: true }),
    () => new nn.InstanceNorm1d(4, { affine: true, trackRunningStats: true }),
  ] as const,
  ['BatchNorm1d', () => new nn.BatchNorm2d(4), () => new nn.BatchNorm1d(4)] as const,
  [
    'MaxPool1d',
    () => new nn.MaxPool2d([1, 3], { stride: [1, 2], padding: [0, 1], ceilMode: true }),
    () => new nn.MaxPool1d(3, { stride: 2, padding: 1, ceilMode: true }),
  ] as const,
  [
    'AvgPool1d',
    () => new nn.AvgPool2d([1, 3], { stride: [1, 2], padding: [0, 1] }),
    () => new nn.AvgPool1d(3, { stride: 2, padding: 1 }),
  ] as const,
  ['ConstantPad1d', () => new nn.ConstantPad2d([2, 1, 0, 0], 0.5), () => new nn.ConstantPad1d([2, 1], 0.5)] as const,
  ['ZeroPad1d', () => new nn.ZeroPad2d([2, 1, 0, 0]), () => new nn.ZeroPad1d([2, 1])] as const,
  ['ReflectionPad1d', () => new nn.ReflectionPad2d([2, 1, 0, 0]), () => new nn.ReflectionPad1d([2, 1])] as const,
  ['ReplicationPad1d', () => new nn.ReplicationPad2d([2, 1, 0, 0]), () => new nn.ReplicationPad1d([2, 1])] as const,
  ['CircularPad1d', () => new nn.CircularPad2d([2, 1, 0, 0]), () => new nn.CircularPad1d([2, 1])] as const,
  [
    'Upsample linear',
    () => new nn.Upsample({ scaleFactor: [1, 2], mode: 'bilinear' }),
    () => new nn.Upsample({ scaleFactor: 2, mode: 'linear' }),
  ] as const,
  [
    'Upsample nearest to a size',
    () => new nn.Upsample({ size: [1, 11] }),
    () => new nn.Upsample({ size: 11 }),
  ] as const,
].map(([name, flat, variant]) => ({ name, flat, variant, shape: [2, 4, 1, 7] as const }));

/** Over 3 axes of 1 × H × W. */
const volumes: Variant[] = [
  [
    'Conv3d',
    () => new nn.Conv2d(4, 6, 3, { stride: 2, padding: 1 }),
    () => new nn.Conv3d(4, 6, [1, 3, 3], { stride: [1, 2, 2], padding: [0, 1, 1] }),
  ] as const,
  [
    'ConvTranspose3d',
    () => new nn.ConvTranspose2d(4, 2, 3, { stride: 2, padding: 1, dilation: 2 }),
    () => new nn.ConvTranspose3d(4, 2, [1, 3, 3], { stride: [1, 2, 2], padding: [0, 1, 1], dilation: [1, 2, 2] }),
  ] as const,
  [
    'InstanceNorm3d',
    () => new nn.InstanceNorm2d(4, { trackRunningStats: true }),
    () => new nn.InstanceNorm3d(4, { trackRunningStats: true }),
  ] as const,
  ['BatchNorm3d', () => new nn.BatchNorm2d(4), () => new nn.BatchNorm3d(4)] as const,
  ['MaxPool3d', () => new nn.MaxPool2d(2), () => new nn.MaxPool3d([1, 2, 2])] as const,
  [
    'AvgPool3d',
    () => new nn.AvgPool2d(3, { stride: 2, ceilMode: true }),
    () => new nn.AvgPool3d([1, 3, 3], { stride: [1, 2, 2], ceilMode: true }),
  ] as const,
  [
    'ConstantPad3d',
    () => new nn.ConstantPad2d([2, 1, 0, 3], 0.5),
    () => new nn.ConstantPad3d([2, 1, 0, 3, 0, 0], 0.5),
  ] as const,
  ['ZeroPad3d', () => new nn.ZeroPad2d([2, 1, 0, 3]), () => new nn.ZeroPad3d([2, 1, 0, 3, 0, 0])] as const,
  [
    'ReflectionPad3d',
    () => new nn.ReflectionPad2d([2, 1, 0, 3]),
    () => new nn.ReflectionPad3d([2, 1, 0, 3, 0, 0]),
  ] as const,
  [
    'ReplicationPad3d',
    () => new nn.ReplicationPad2d([2, 1, 0, 3]),
    () => new nn.ReplicationPad3d([2, 1, 0, 3, 0, 0]),
  ] as const,
  ['CircularPad3d', () => new nn.CircularPad2d([2, 1, 0, 3]), () => new nn.CircularPad3d([2, 1, 0, 3, 0, 0])] as const,
  [
    'Upsample trilinear',
    () => new nn.Upsample({ scaleFactor: 2, mode: 'bilinear', alignCorners: true }),
    () => new nn.Upsample({ scaleFactor: [1, 2, 2], mode: 'trilinear', alignCorners: true }),
  ] as const,
].map(([name, flat, variant]) => ({ name, flat, variant, shape: [2, 4, 5, 6] as const }));

describe.each([
  { axes: 1, variants: lines },
  { axes: 3, variants: volumes },
])('over $axes axes', ({ axes, variants }) => {
  it.each(variants)('$name', async ({ flat, variant, shape }) => {
    const [layer, other] = [flat(), variant()];
    const unlike = other.stateDict();
    const state = Object.entries(layer.stateDict()).map(([key, { data }]) => [key, { ...unlike[key], data }]);
    other.loadStateDict(Object.fromEntries(state));

    const x = normal(shape);
    const image = [shape[0], shape[1], ...(axes === 1 ? [shape[3]] : [1, shape[2], shape[3]])];
    const expected = await run(layer, x);
    const actual = await run(other, { ...x, shape: image }, expected.dy);
    const [batch, channels, height, width] = expected.shape as [number, number, number, number];
    expect(actual.shape).toEqual(axes === 1 ? [batch, channels, width] : [batch, channels, 1, height, width]);
    expect(Object.keys(actual.results)).toEqual(Object.keys(expected.results));
    for (const [name, values] of Object.entries(expected.results)) {
      expectClose(actual.results[name] as number[], values, 1e-5, name);
    }
  });
});

describe('PixelUnshuffle', () => {
  it('takes PixelShuffle back', async () => {
    const x = normal([2, 12, 3, 4]);
    const graph = createGraph();
    const input = graph.input('x', 'float32', x.shape);
    const large = new nn.PixelShuffle(2)(input);
    const y = new nn.PixelUnshuffle(2)(large);
    expect(large.shape).toEqual([2, 3, 6, 8]);
    expect(y.shape).toEqual(x.shape);
    const cotangent = graph.constant(normal(x.shape));
    const [dx] = gradient(y.mul(cotangent).sum(), [input]) as [Tensor];
    const results = await runGraph(graph, { y, dx, dy: cotangent.add(0) }, { x });
    expectClose(results.y as number[], x, 0, 'output');
    expectClose(results.dx as number[], results.dy as number[], 0, 'gradient');
  });
});
