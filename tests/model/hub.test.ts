/** Models by the name of their repository on the hub, from the first download to the loss. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { formatNpy } from '../../src/data/index.js';
import { constantOf } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { Compose } from '../../src/transforms/index.js';
import { REPO, repoOf, text, useHub } from '../hub/hub.js';

const place = useHub();
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** relu(x · W) over the last dimension, 160; W, 100 kB, is an external file. */
function repository(data = 'model.onnx_data'): Record<string, Uint8Array> {
  const graph = createGraph();
  const image = graph.input('pixels', 'float32', [1, 3, 160, 160]);
  const wave = Array.from({ length: 160 * 160 }, (_, i) => Math.sin(i));
  graph.output('y', image.matmul(graph.constant(constantOf('float32', [160, 160], wave), 'fc.weight')).relu());
  const { model, external } = writeOnnx(graph, { opset: 20, externalFrom: 1000, externalPath: data });
  return {
    'onnx/model.onnx': model,
    [`onnx/${data}`]: external[0]?.constant.bytes as Uint8Array,
    'preprocessor_config.json': text(
      JSON.stringify({
        size: { shortest_edge: 256 },
        do_center_crop: true,
        crop_size: 160,
        image_mean: [0.5],
        image_std: [0.25],
      }),
    ),
  };
}

const image = (side: number, phase: number) => ({
  dims: [1, 3, side, side],
  data: Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i * 0.01 + phase) ** 2),
});
const config = { printData: false, modulesToHook: ['Linear'] };

describe('a repository', () => {
  it('is downloaded, read with its external data, and given its own transform', async () => {
    place.hub.repos[REPO] = repoOf(repository());
    const steps = new Set<string>();
    const model = await loadModel(REPO, { onProgress: ({ step }) => steps.add(step) });
    expect([...steps]).toEqual(['download', 'read', 'parse']);
    expect(model.source).toBe(REPO);
    expect(model.preprocessing).toEqual([
      { resize: { size: [160, 160], interpolation: 'bilinear' } },
      { normalize: { mean: [0.5], std: [0.25] } },
    ]);
    await using loss = new GlobalPercLoss(model, new GlobalPercConfig(config));
    const { value, grad } = await loss.valueAndGrad(image(48, 0), image(48, 1));
    expect(value).toBeGreaterThan(0.01);
    expect(grad.dims).toEqual([1, 3, 48, 48]);
    // Where a transform is given, the model's own is not applied.
    await using plain = new GlobalPercLoss(
      model,
      new GlobalPercConfig({ ...config, transformNormalization: new Compose([]) }),
    );
    await expect(plain.evaluate(image(48, 0), image(48, 1))).rejects.toThrow(/accepts input \[1, 3, 160, 160\]/);
  });

  it('is read with external data of any name', async () => {
    place.hub.repos[REPO] = repoOf(repository('weights/part.pb'));
    const [, weight] = (await loadModel(REPO)).graph.nodes[0]?.inputs ?? [];
    expect(weight?.shape).toEqual([160, 160]);
    expect(place.hub.requests('/resolve/').at(-1)?.path).toMatch(/onnx\/weights\/part\.pb$/);
    place.hub.log.length = 0;
    await loadModel(REPO);
    expect(place.hub.requests('/resolve/')).toEqual([]);
    place.hub.repos[REPO] = repoOf({ 'onnx/model.onnx': repository('gone.pb')['onnx/model.onnx'] as Uint8Array });
    vi.stubEnv('HF_HOME', join(place.home, 'other'));
    await expect(loadModel(REPO)).rejects.toThrow(/keeps its weights in 'gone.pb', which should lie beside it/);
  });

  it('whose preprocessor is not understood is read, and takes a transform', async () => {
    place.hub.repos[REPO] = repoOf({ ...repository(), 'preprocessor_config.json': text('{"size":{"area":7}}') });
    const model = await loadModel(REPO);
    expect(() => new GlobalPercLoss(model, new GlobalPercConfig(config))).toThrow(
      /give transformNormalization yourself/,
    );
    const transformNormalization = new Compose([]);
    await using loss = new GlobalPercLoss(model, new GlobalPercConfig({ ...config, transformNormalization }));
    expect(await loss.evaluate(image(160, 0), image(160, 1))).toBeGreaterThan(0.01);
    const path = join(place.home, '..', 'config.json');
    writeFileSync(path, JSON.stringify({ transformNormalization: [{ centerCrop: 160 }] }));
    const inspect = promisify(execFile)(process.execPath, [command, 'inspect', REPO, '--config', path]);
    expect((await inspect).stdout).toContain('2 hooks');
  });

  it('is found on the command line, and offline from then on', async () => {
    place.hub.repos[REPO] = repoOf(repository());
    const [pred, target] = [join(place.home, '..', 'pred.npy'), join(place.home, '..', 'target.npy')];
    writeFileSync(pred, formatNpy(image(48, 0)));
    writeFileSync(target, formatNpy(image(48, 1)));
    const run = async () =>
      JSON.parse((await promisify(execFile)(process.execPath, [command, 'loss', REPO, pred, target, '--json'])).stdout);
    const { loss } = await run();
    expect(loss).toBeGreaterThan(0.01);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await run()).toMatchObject({ loss });
  });

  it('that does not exist is named, a file of that path is preferred', async () => {
    await expect(loadModel('owner/nothing')).rejects.toThrow(/owner\/nothing/);
    await expect(loadModel('tests/model')).rejects.toThrow(/cannot read 'tests\/model': it is a folder/);
  });
});
