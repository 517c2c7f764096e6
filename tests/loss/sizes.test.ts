/** Images of many sizes: they share sessions, and the numbers are those of a session of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, loadModel, NormalizedTensorLoss } from '../../src/index.js';
import { Generator } from '../../src/random/index.js';
import { Session } from '../../src/runtime/index.js';

const path = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/data/models/${name}.torchscript.onnx`, import.meta.url));

const image = (dims: readonly number[], seed: number) => {
  const generator = new Generator(seed);
  return { dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()) };
};

const lossOf = async (model: string, norm: 'cosine' | 'none' = 'cosine') =>
  new GlobalPercLoss(
    await loadModel(path(model)),
    new GlobalPercConfig({ printData: false, lossFunc: new NormalizedTensorLoss('l2', 'mean', norm) }),
  );

const opened = vi.spyOn(Session, 'openWritten');
beforeEach(() => void opened.mockClear());

/** Sessions for programs, not those that fold constants. */
const sessions = (): number => opened.mock.calls.filter(([, , { once }]) => !once).length;

it.each([
  ['vgg', 'none', [32, 48], 3],
  ['resnet', 'cosine', [32, 48], 1],
  // Whatever a convolution with a stride leaves over.
  ['resnet', 'cosine', [37, 46], 1],
] as const)('%s under norm %s computes what a session of its own does: %j', async (model, norm, sides, most) => {
  await using shared = await lossOf(model, norm);
  const shapes = sides.flatMap((height) => sides.map((width) => [1, 3, height, width]));
  const computed = [];
  for (const [i, shape] of [...shapes, ...shapes].entries())
    computed.push(await shared.valueAndGrad(image(shape, i), image(shape, 100 + i)));
  expect(sessions()).toBeLessThanOrEqual(most);
  for (const [i, shape] of shapes.entries()) {
    await using own = await lossOf(model, norm);
    expect(computed[i]).toEqual(await own.valueAndGrad(image(shape, i), image(shape, 100 + i)));
  }
});

it('evaluates and encodes images of other sizes in the sessions that are open, and maps them', async () => {
  await using loss = await lossOf('vgg');
  const all = async (height: number) => {
    const shape = [1, 3, height, 32];
    const [pred, target] = [image(shape, 1), image(shape, 2)];
    const [value, { map }] = [await loss.evaluate(pred, target), await loss.map(pred, target)];
    await using encoded = await loss.encode(target);
    const { grad } = await loss.valueAndGrad(pred, encoded);
    return { value, map, grad, encoded: await loss.evaluate(pred, encoded) };
  };
  const first = await all(32);
  const before = sessions();
  const second = await all(48);
  // A map is enlarged by tables, which each size has for itself.
  expect(sessions()).toBe(before + 1);
  expect(second.encoded).toBeCloseTo(second.value, 5);
  expect([second.map.dims, second.grad.dims]).toEqual([
    [1, 1, 48, 32],
    [1, 3, 48, 32],
  ]);
  expect(await all(32)).toEqual(first);
});

describe('with programs on disk', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sizes-'));
    vi.stubEnv('GLOBALPERC_CACHE', folder);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  it('another process opens as few sessions, for the same numbers', async () => {
    const run = async () => {
      await using loss = await lossOf('vgg');
      const computed = [];
      for (const height of [32, 48]) {
        const shape = [1, 3, height, 32];
        computed.push(await loss.valueAndGrad(image(shape, 5), image(shape, 6)));
      }
      const count = sessions();
      opened.mockClear();
      return { computed, count };
    };
    const first = await run();
    expect(first.count).toBe(1);
    expect(await run()).toEqual(first);
  });
});
