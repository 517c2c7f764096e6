/** Every leaf layer of torch.nn, from both exporters (`fixtures/make_modules.py`), has its class, path and one call. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { recoverModules } from '../../src/modules/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';

const folder = new URL('../../fixtures/data/modules/', import.meta.url);
const files = JSON.parse(readFileSync(new URL('layers.json', folder), 'utf8')) as Record<string, [string, string][]>;

/** What TorchScript's exporter writes exactly like another class. */
const ALIKE: Readonly<Record<string, string>> = {
  Softmax2d: 'Softmax',
  SyncBatchNorm: 'BatchNorm2d',
  UpsamplingNearest2d: 'Upsample',
  UpsamplingBilinear2d: 'Upsample',
};

/** The class that a file tells; before opset 10 an adaptive pooling writes nothing of its kind. */
function expectedClass(file: string, name: string): string {
  if (file.includes('dynamo')) return name;
  return ALIKE[name] ?? (file.includes('torchscript-9') ? name.replace('AdaptiveMax', 'Max') : name);
}

describe.each(Object.entries(files))('%s', async (file, layers) => {
  const bytes = new Uint8Array(readFileSync(new URL(file, folder)));
  const calls = recoverModules(await readOnnx(createGraph(), bytes, { source: file }));
  const expected = layers.map(([path, name]) => [path, expectedClass(file, name)] as const);

  it.each(expected)('%s is %s', (path, name) => {
    const found = calls.filter((call) => call.path === path);
    expect(found.map((call) => call.class)).toEqual([name]);
    expect(found.map((call) => call.leaf)).toEqual([true]);
  });

  it('has no other modules, and the order in which PyTorch called them', () => {
    expect(calls.map(({ path }) => path)).toEqual(layers.map(([path]) => path));
  });
});
