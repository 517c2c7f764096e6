/** What cannot work is refused with the layer's name, what it takes, and what it got. */
import { describe, expect, it } from 'vitest';
import { type DataType, GlobalPercError, type Shape } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';

describe('arguments', () => {
  it.each<[() => unknown, RegExp]>([
    [() => new nn.Linear(0, 3), /Linear: inFeatures .* 0$/],
    [() => new nn.Conv2d(3, 4, 0), /Conv2d: kernelSize should be an integer or 2 of them, not below 1, got 0/],
    [() => new nn.Conv2d(3, 4, [3, 3, 3]), /Conv2d: kernelSize .* \[3,3,3\]/],
    [() => new nn.Conv2d(3, 4, 3, { padding: -1 }), /Conv2d: padding .* -1/],
    [() => new nn.Conv2d(3, 4, 3, { padding: 'full' as 'same' }), /Conv2d: padding should be one of same, valid/],
    [() => new nn.Conv2d(3, 4, 3, { padding: 'same', stride: 2 }), /Conv2d: padding 'same' needs stride 1, got 2 × 2/],
    [() => new nn.Conv2d(3, 4, 3, { groups: 2 }), /Conv2d: 2 groups do not divide 3 input and 4 output channels/],
    [() => new nn.Conv1d(3, 4, 3, { paddingMode: 'edge' as 'zeros' }), /Conv1d: paddingMode should be one of zeros/],
    [() => new nn.ConvTranspose2d(3, 4, 3, { outputPadding: 1 }), /ConvTranspose2d: outputPadding 1 × 1/],
    [() => new nn.BatchNorm2d(2.5), /BatchNorm2d: numFeatures .* 2\.5/],
    [() => new nn.GroupNorm(3, 4), /GroupNorm: 3 groups do not divide 4 channels/],
    [() => new nn.Embedding(3, 2, { paddingIdx: 3 }), /Embedding: paddingIdx 3 is none of 3 rows/],
    [() => new nn.MultiheadAttention(6, 4), /MultiheadAttention: 4 heads do not divide 6 features/],
    [() => new nn.MultiheadAttention(6, 2, { dropout: 2 }), /MultiheadAttention: dropout.* 2/],
    [() => new nn.MaxPool2d([2, 0]), /MaxPool2d: kernelSize .* \[2,0\]/],
    [() => new nn.ReflectionPad2d([1, 2]), /ReflectionPad2d: padding should be an integer or 4 of them, got \[1,2\]/],
    [() => new nn.PixelShuffle(1.5), /PixelShuffle: upscaleFactor .* 1\.5/],
    [() => new nn.PReLU({ numParameters: 0 }), /PReLU: numParameters .* 0/],
  ])('%s', (make, message) => {
    expect(make).toThrow(GlobalPercError);
    expect(make).toThrow(message);
  });
});

describe('inputs', () => {
  it.each<[() => nn.Module, Shape, RegExp, DataType?]>([
    [() => new nn.Linear(3, 2), [4, 5], /Linear takes an input of shape \[…, 3\], got \[4, 5\]/],
    [() => new nn.Conv2d(3, 4, 3), [1, 4, 8, 8], /Conv2d takes an input of shape \[B, 3, H, W\], got \[1, 4, 8, 8\]/],
    [() => new nn.Conv2d(3, 4, 3), [3, 8, 8], /Conv2d takes .* got \[3, 8, 8\]/],
    [() => new nn.Conv2d(3, 4, 5), [1, 3, 4, 8], /Conv .*\[1,3,4,8\].*a window of 5 does not fit/],
    [
      () => new nn.Conv2d(3, 4, 5, { padding: 4, paddingMode: 'reflect' }),
      [1, 3, 4, 8],
      /'reflect' cannot add 4 and 4 to axis 2 of \[1,3,4,8\]/,
    ],
    [() => new nn.ConvTranspose1d(3, 4, 3), [1, 4, 8], /ConvTranspose1d takes an input of shape \[B, 3, L\]/],
    [() => new nn.BatchNorm1d(3), [2, 3, 4, 5], /BatchNorm1d takes an input of shape \[B, 3\] or \[B, 3, L\], got/],
    [() => new nn.BatchNorm2d(3), [1, 3, 1, 1], /BatchNorm2d needs more than one value .* \[1,3,1,1\]/],
    [() => new nn.InstanceNorm2d(3), [4, 3, 1, 1], /InstanceNorm2d needs more than one value/],
    [() => new nn.GroupNorm(2, 4), [2, 6, 3], /GroupNorm takes an input of shape \[B, 4, …\]/],
    [() => new nn.LayerNorm([3, 4]), [2, 4, 3], /LayerNorm takes an input of shape \[…, 3, 4\], got \[2, 4, 3\]/],
    [() => new nn.RMSNorm(4), [2, 3], /RMSNorm takes/],
    [() => new nn.Embedding(3, 2), [2], /int64 indices, got float32 of shape \[2\]/],
    [() => new nn.PReLU({ numParameters: 3 }), [2, 4, 5], /PReLU takes an input of shape \[B, 3, …\]/],
    [() => new nn.Softmax(3), [2, 4, 5], /axis 3 is outside/],
    [() => new nn.MaxPool2d(3), [2, 4, 2, 9], /MaxPool .*\[2,4,2,9\].*a window of 3 does not fit spatial axis 0/],
    [
      () => new nn.MaxPool2d(3, { padding: 2 }),
      [2, 4, 9, 9],
      /maxPool: padding 2 × 2 is more than half a window of 3 × 3/,
    ],
    [() => new nn.AvgPool2d(3), [4, 9, 9], /AvgPool2d takes an input of shape \[B, C, H, W\]/],
    [() => new nn.AdaptiveAvgPool2d([0, 3]), [2, 4, 5, 5], /adaptiveAvgPool2d: outputSize .* \[0,3\]/],
    [
      () => new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }),
      [2, 4, 5],
      /mode 'bilinear' does not go with .*\[2,4,5\]/,
    ],
    [
      () => new nn.Upsample({ scaleFactor: [2, 2, 2] }),
      [2, 4, 5, 5],
      /scaleFactor \[2,2,2\] does not go with an input of shape \[2,4,5,5\]/,
    ],
    [() => new nn.Upsample({}), [2, 4, 5, 5], /one of size and scaleFactor/],
    [() => new nn.Upsample({ size: 3, alignCorners: true }), [2, 4, 5, 5], /'nearest' has no alignCorners/],
    [
      () => new nn.PixelShuffle(2),
      [2, 6, 5, 5],
      /pixelShuffle takes an input of shape \[B, C·2², H, W\], got \[2, 6, 5, 5\]/,
    ],
    [() => new nn.PixelUnshuffle(2), [2, 6, 5, 4], /pixelUnshuffle takes .* got \[2, 6, 5, 4\]/],
    [() => new nn.ReflectionPad2d(3), [1, 1, 3, 8], /'reflect' cannot add 3 and 3 to axis 2 of \[1,1,3,8\]/],
    [() => new nn.CircularPad2d(4), [1, 1, 3, 8], /'circular' cannot add 4 and 4/],
    [() => new nn.ZeroPad2d([-2, -2, 0, 0]), [1, 1, 8, 4], /'constant' cannot add -2 and -2 to axis 3/],
    [() => new nn.ZeroPad2d(1), [1, 8, 4], /ZeroPad2d takes an input of shape \[B, C, H, W\], got \[1, 8, 4\]/],
    [() => new nn.Flatten({ startDim: 3 }), [2, 4, 5], /axis 3 is outside/],
  ])('%s of %j', (make, shape, message, dtype = 'float32') => {
    const call = (): unknown => make()(createGraph().input('x', dtype, shape));
    expect(call).toThrow(GlobalPercError);
    expect(call).toThrow(message);
  });

  it('MultiheadAttention names the features it takes', () => {
    const graph = createGraph();
    const [x, y] = [graph.input('x', 'float32', [5, 2, 6]), graph.input('y', 'float32', [4, 2, 5])];
    expect(() => new nn.MultiheadAttention(6, 2)(x, y, y)).toThrow(
      /MultiheadAttention takes an input of shape \[L, B, 6\], got \[4, 2, 5\]/,
    );
  });
});
