/** Layers in evaluation do not depend on the batch: an exported file takes any. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import * as nn from '../../src/nn/index.js';
import { toOnnx } from '../../src/train/index.js';
import { buildLayer, layerFamilies } from '../support/layers.js';

/** What computes along the batch, takes its statistics, or resizes to a size: ONNX's Resize is told all of the shape. */
const ALONG_BATCH =
  /start_dim=0|GLU\(0\)|LogSoftmax\(-3\)|BatchNorm.*track_running_stats=False|Upsample.*size=.*(linear|cubic)|Bilinear2d\(size/;

const cases = layerFamilies.flatMap(({ fixture }) =>
  fixture.cases
    .filter((test) => test.inputs.length === 1 && !test.call && !ALONG_BATCH.test(test.name))
    .map((test) => ({ name: test.name, fixture, test, input: fixture.tensor(test.inputs[0] as string) }))
    .filter(({ input }) => input.dtype === 'float32'),
);

/** The layer as part of a net. */
class Net extends nn.Module<readonly Tensor[]> {
  readonly layer: nn.AnyModule;
  constructor(layer: nn.AnyModule) {
    super();
    this.layer = layer;
  }
  override forward(x: Tensor): Tensor[] {
    return [this.layer(x)].flat();
  }
}

describe('any batch', () => {
  it.each(cases)('$name', async ({ fixture, test, input }) => {
    const net = new Net(buildLayer(fixture, test));
    const { graph } = await loadModel(await toOnnx(net, { input: input.shape }));
    expect(graph.inputs[0]?.declaredShape?.[0]).toBe('batch');
    expect(graph.outputs[0]?.declaredShape?.[0]).toBe('batch');
  });
});
