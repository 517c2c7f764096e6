/** What cannot work is refused with the layer's name, what it takes, and what it got. */
import { describe, expect, it } from 'vitest';
import { type DataType, GlobalPercError, type Shape } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { Trace } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { DinoVisionTransformer, UNet } from '../../src/zoo/index.js';

const relu = () => (x: unknown) => x;

describe('arguments', () => {
  it.each<[() => unknown, RegExp]>([
    [() => new nn.Linear(0, 3), /Linear: inFeatures .* 0$/],
    [() => new nn.Conv2d(3, 4, 0), /Conv2d: kernelSize should be an integer from 1 on, or 2 of them, got 0$/],
    [() => new nn.Conv2d(3, 4, [3, 3, 3]), /Conv2d: kernelSize .* \[3, ?3, ?3\]/],
    [() => new nn.Conv2d(3, 4, 3, { padding: -1 }), /Conv2d: padding .* -1/],
    [() => new nn.Conv2d(3, 4, 3, { padding: 'full' as 'same' }), /Conv2d: padding should be one of same, valid/],
    [() => new nn.Conv2d(3, 4, 3, { padding: 'same', stride: 2 }), /Conv2d: padding 'same' needs stride 1, got 2 × 2/],
    [() => new nn.Conv2d(3, 4, 3, { groups: 2 }), /Conv2d: 2 groups do not divide 3 input and 4 output channels/],
    [() => new nn.Conv1d(3, 4, 3, { paddingMode: 'edge' as 'zeros' }), /Conv1d: paddingMode should be one of zeros/],
    [() => new nn.ConvTranspose2d(3, 4, 3, { outputPadding: 1 }), /ConvTranspose2d: outputPadding 1 × 1/],
    [
      () => new nn.Conv2d(2 ** 31, 32, 3),
      /parameter of shape \[32,2147483648,3,3\] has 618475290624 elements.*no room/,
    ],
    [() => new UNet(3, 8, 3, { depth: 2 ** 31 }), /UNet: depth should be an integer from 0 to 16, got 2147483648$/],
    [() => new nn.BatchNorm2d(2.5), /BatchNorm2d: numFeatures .* 2\.5/],
    [() => new nn.GroupNorm(3, 4), /GroupNorm: 3 groups do not divide 4 channels/],
    [() => new nn.Embedding(3, 2, { paddingIdx: 3 }), /Embedding: paddingIdx 3 is none of 3 rows/],
    [() => new nn.MultiheadAttention(6, 4), /MultiheadAttention: 4 heads do not divide 6 features/],
    [() => new nn.MultiheadAttention(6, 2, { dropout: 2 }), /MultiheadAttention: dropout.* 2/],
    [() => new nn.MaxPool2d([2, 0]), /MaxPool2d: kernelSize .* \[2, ?0\]/],
    [
      () => new nn.ReflectionPad2d([1, 2]),
      /ReflectionPad2d: padding should be an integer, or 4 of them, got \[1, ?2\]$/,
    ],
    [() => new nn.PixelShuffle(1.5), /PixelShuffle: upscaleFactor .* 1\.5/],
    [() => new nn.PReLU({ numParameters: 0 }), /PReLU: numParameters .* 0/],
    [
      () => new nn.AdaptiveAvgPool2d([0, 3]),
      /AdaptiveAvgPool2d: outputSize should be an integer .* null, or 2 .* \[0, ?3\]$/,
    ],
    [() => new nn.Upsample({}), /Upsample: one of size and scaleFactor should be given/],
    [() => new nn.UpsamplingNearest2d({ mode: 'nearest' } as object), /UpsamplingNearest2d: 'mode' is not known/],
    [() => new nn.AvgPool2d(2, { divisorOverride: 0 }), /AvgPool2d: divisorOverride should not be 0/],
    [() => new nn.Conv2d(3, 4, undefined as unknown as number), /Conv2d: kernelSize .* got undefined$/],
    [() => new nn.Linear('3' as unknown as number, 4), /Linear: inFeatures should be an integer from 1 on, got "3"$/],
    [() => new nn.Conv2d(3, 4, 3, { paddng: 1 } as object), /Conv2d: 'paddng' is not known; did you mean 'padding'\?$/],
    [() => new nn.Linear(3, 4, null as unknown as object), /Linear should be an object of options, got null$/],
    [
      () => new nn.LSTM(3, 4, { layers: 2 } as object),
      /LSTM: 'layers' is not known; did you mean 'numLayers'\?|known are/,
    ],
    [() => new UNet(3, 8, 3, { dept: 2 } as object), /UNet: 'dept' is not known; did you mean 'depth'\?$/],
    [() => new UNet(3, 0), /UNet: width should be an integer from 1 on, got 0$/],
    [
      () => new DinoVisionTransformer({ depth: 1, numHeads: 2 } as never),
      /DinoVisionTransformer: 'embedDim' is missing/,
    ],
    [
      () => new DinoVisionTransformer({ embedDim: 6, depth: 1, numHeads: 2, imgSize: 30 }),
      /DinoVisionTransformer: imgSize 30 is no multiple of patchSize 14/,
    ],
    [() => new nn.Hardtanh(1, 1), /Hardtanh: minVal 1 should be below maxVal 1/],
    [() => new nn.CELU(0), /CELU: alpha should not be 0/],
    [() => new nn.Unflatten(1, [2, -1, -1]), /Unflatten: unflattenedSize .* one of which may be -1, got \[2,-1,-1\]/],
    [
      () => new nn.LayerNorm([]),
      /LayerNorm: normalizedShape should be an integer from 1 on or a list of some, got \[\]/,
    ],
    [
      () => new nn.Sequential([new nn.ReLU()] as unknown as nn.Module),
      /Sequential: 0 should be a module, got an array/,
    ],
    [
      () => new nn.Sequential().append(nn.ReLU as unknown as nn.Module),
      /Sequential: 0 should be a module, got the class ReLU/,
    ],
    [() => new nn.ModuleList(new nn.ReLU() as unknown as nn.Module[]), /ModuleList should be a list of modules, got/],
    [() => new nn.ModuleList([relu()] as unknown as nn.Module[]), /ModuleList: 0 should be a module, got a function/],
    [
      () => new nn.ParameterList([1] as unknown as nn.Parameter[]),
      /ParameterList: 0 should be a parameter, got number/,
    ],
    [() => new nn.ModuleDict({ a: 1 } as never), /ModuleDict: a should be a module, got number/],
    [() => new nn.ModuleDict({ 'a.b': new nn.ReLU() }), /ModuleDict: 'a\.b' cannot name a module/],
    [() => new nn.ModuleDict({ forward: new nn.ReLU() }), /ModuleDict: 'forward' cannot name a module/],
    [() => new nn.ParameterDict().get('a'), /ParameterDict has no 'a'; there are none/],
    [() => new nn.ModuleDict({ b: new nn.ReLU() }).get('a'), /ModuleDict has no 'a'; there are b$/],
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
    [() => new nn.Conv2d(3, 4, 5), [1, 3, 4, 8], /Conv .*\[1,3,4,8\].*its output would be 0 x 4/],
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
    [() => new nn.MaxPool2d(3), [2, 4, 2, 9], /MaxPool .*\[2,4,2,9\].*its output would be 0 x 3/],
    [
      () => new nn.MaxPool2d(3, { padding: 2 }),
      [2, 4, 9, 9],
      /maxPool2d: padding 2 × 2 is more than half a window of 3 × 3/,
    ],
    [() => new nn.AvgPool2d(3), [4, 9, 9], /AvgPool2d takes an input of shape \[B, C, H, W\]/],
    [
      () => new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }),
      [2, 4, 5],
      /mode 'bilinear' takes an input of 4 axes, got .*\[2,4,5\]/,
    ],
    [
      () => new nn.Upsample({ scaleFactor: [2, 2, 2] }),
      [2, 4, 5, 5],
      /scaleFactor \[2,2,2\] does not go with an input of shape \[2,4,5,5\]/,
    ],
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
    [
      () => new nn.Flatten({ startDim: 2, endDim: 1 }),
      [2, 4, 5],
      /Flatten: endDim 1 comes before startDim 2 of \[2,4,5\]/,
    ],
    [() => new nn.Unflatten(1, [2, 3]), [2, 4], /Unflatten: \[2,3\] does not make up dimension 1 of \[2,4\]/],
    [() => new nn.Unflatten(1, [3, -1]), [2, 4], /Unflatten: \[3,-1\] does not make up dimension 1/],
    [() => new nn.GLU(), [2, 3], /glu: dimension -1 of \[2,3\] should be even/],
    [() => new nn.ChannelShuffle(3), [2, 4, 5], /channelShuffle: 3 groups do not divide the channels of \[2,4,5\]/],
    [() => new nn.Softmax2d(), [2, 4, 5], /Softmax2d takes an input of shape \[B, C, H, W\]/],
    [() => new nn.Dropout2d(), [2, 4, 5], /Dropout2d takes an input of shape \[B, C, H, W\]/],
    [() => new nn.Fold(4, 2), [2, 8, 5], /fold takes an input of shape \[B, C·kernel, 9\], got \[2, 8, 5\]/],
    [() => new nn.Fold(4, 2), [2, 6, 9], /fold: 4 elements of a window do not divide 6 channels/],
    [() => new nn.LocalResponseNorm(3), [2, 4], /LocalResponseNorm takes an input of shape \[B, C, L, …\]/],
  ])('%s of %j', (make, shape, message, dtype = 'float32') => {
    const call = (): unknown => {
      const [layer, graph] = [make(), createGraph()];
      new Trace(graph, layer);
      return layer(graph.input('x', dtype, shape));
    };
    expect(call).toThrow(GlobalPercError);
    expect(call).toThrow(message);
  });

  it('recurrent layers name the sequences and states they take', () => {
    const graph = createGraph();
    const [x, h] = [graph.input('x', 'float32', [5, 2, 3]), graph.input('h', 'float32', [1, 2, 5])];
    expect(() => new nn.GRU(4, 5)(x)).toThrow(/GRU takes an input of shape \[T, B, 4\], got \[5, 2, 3\]/);
    expect(() => new nn.GRU(3, 5, { batchFirst: true })(x, h)).toThrow(/a state .* shape \[1, 5, 5\], got \[1, 2, 5\]/);
    expect(() => new nn.LSTM(3, 5)(x, h)).toThrow(/LSTM takes 2 first states or none, got 1/);
  });

  it('MultiheadAttention names the features it takes', () => {
    const graph = createGraph();
    const [x, y] = [graph.input('x', 'float32', [5, 2, 6]), graph.input('y', 'float32', [4, 2, 5])];
    expect(() => new nn.MultiheadAttention(6, 2)(x, y, y)).toThrow(
      /MultiheadAttention takes an input of shape \[L, B, 6\], got \[4, 2, 5\]/,
    );
  });
});
