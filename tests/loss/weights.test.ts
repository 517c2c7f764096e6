/** The weights of losses with a network of the package: by URL, out of the cache, and never written over. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { sizeOf } from '../../src/graph/index.js';
import { LPIPS } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { requiredOpset } from '../../src/ops/index.js';
import { temporaryFolder } from '../data/images.js';
import { sha256, TestHub } from '../hub/server.js';
import { type LpipsCase as Case, lpipsFixture as fixture, SQUEEZENET } from '../support/lpips.js';
import { hostOf } from '../support/safetensors.js';

const HASH = sha256(readFileSync(SQUEEZENET));
const NAME = `squeezenet1_1-${HASH.slice(0, 8)}.pth`;
const root = temporaryFolder();
let hub: TestHub;
let folder = '';
let tests = 0;

beforeAll(async () => {
  hub = await TestHub.start();
});
beforeEach(() => {
  tests += 1;
  folder = join(root, String(tests));
  mkdirSync(folder);
  hub.reset();
  hub.files[`/${NAME}`] = readFileSync(SQUEEZENET);
  vi.stubEnv('TORCH_HOME', folder);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => hub.stop());

const url = (): string => `${hub.url}/${NAME}`;
const cached = (): string => join(folder, 'hub', 'checkpoints', NAME);

describe('by URL', () => {
  it('the loss of the file, which is fetched once, with its hash and progress told', async () => {
    const test = fixture.cases.find(({ name }) => name === 'squeeze: one') as Case;
    const expected = test.losses.at(-1) as number;
    const loaded: number[] = [];
    for (const times of [1, 2]) {
      const onProgress = (progress: { readonly loaded: number }): unknown => loaded.push(progress.loaded);
      await using lpips = await LPIPS.load({ net: 'squeeze', weights: new URL(url()) }, { onProgress });
      const value = await lpips.evaluate(hostOf(fixture.tensor(test.pred)), hostOf(fixture.tensor(test.target)));
      expect(Math.abs(value - expected), `load ${times}`).toBeLessThan(1e-5 * expected);
      expect(lpips.sha256).toBe(HASH);
    }
    expect(hub.log.length).toBe(1);
    expect(loaded.at(-1)).toBe(readFileSync(SQUEEZENET).length);
    expect(loaded.filter((bytes) => bytes === loaded.at(-1)).length).toBe(1);
  });

  it('a damaged file in the cache is named, with what to do', async () => {
    await (await LPIPS.load({ net: 'squeeze', weights: url() })).dispose();
    const bytes = readFileSync(cached());
    bytes[bytes.length >> 1] = 255 - (bytes[bytes.length >> 1] as number);
    writeFileSync(cached(), bytes);
    await expect(LPIPS.load({ net: 'squeeze', weights: url() })).rejects.toThrow(
      `${cached()} is damaged: its SHA-256 should begin with ${HASH.slice(0, 8)}, as its name tells, and is ` +
        `${sha256(bytes)}; delete it, and ${url()} is downloaded again`,
    );
    rmSync(cached());
    await (await LPIPS.load({ net: 'squeeze', weights: url() })).dispose();
    expect(hub.log.length).toBe(2);
  });

  it('one whose name tells no hash is read each time, and kept nowhere', async () => {
    hub.files['/squeeze.pth'] = readFileSync(SQUEEZENET);
    const load = (): Promise<LPIPS> => LPIPS.load({ net: 'squeeze', weights: `${hub.url}/squeeze.pth?raw=1` });
    for (const lpips of [await load(), await load()]) await lpips.dispose();
    expect(hub.log.map(({ path }) => path)).toEqual(['/squeeze.pth', '/squeeze.pth']);
  });

  it('a loss that could not be loaded can be loaded later', async () => {
    hub.faults.push({ on: '/', kind: 'status', status: 404, times: 1 });
    await using lpips = new LPIPS({ net: 'squeeze', weights: url() });
    await expect(lpips.load()).rejects.toThrow(/^cannot fetch 'http.*': HTTP 404/);
    expect(await lpips.load()).toBe(lpips);
  });

  it('a signal stops it', async () => {
    const loaded = LPIPS.load({ net: 'squeeze', weights: url() }, { signal: AbortSignal.abort('enough') });
    await expect(loaded).rejects.toBe('enough');
    expect(hub.log).toEqual([]);
  });

  it('an unknown option of load is named', async () => {
    const loaded = LPIPS.load({ net: 'squeeze', weights: url() }, { onprogress: () => 1 } as object);
    await expect(loaded).rejects.toThrow("LPIPS.load: 'onprogress' is not known; did you mean 'onProgress'?");
  });
});

/** An export of SqueezeNet with some weights, most of them in a file of its own. */
async function writeExport(path: string, location: string): Promise<void> {
  const asset = new URL('../../assets/lpips-squeeze.onnx', import.meta.url);
  const { openInputs } = await loadModel(asset, { input: 'image' });
  const weights = openInputs.map(({ name, declaredShape }) => {
    const dims = declaredShape as number[];
    return [name, { dims, data: new Float32Array(sizeOf(dims)).fill(0.1) }] as const;
  });
  const { graph } = await loadModel(asset, { input: 'image', inputs: Object.fromEntries(weights) });
  const options = { opset: requiredOpset(graph), externalFrom: 1024, externalPath: location };
  const { model, external } = writeOnnx(graph, options);
  const last = external.at(-1);
  const bytes = new Uint8Array((last?.offset ?? 0) + (last?.constant.bytes.length ?? 0));
  for (const { offset, constant } of external) bytes.set(constant.bytes, offset);
  writeFileSync(path, model);
  writeFileSync(join(folder, location), bytes);
}

describe('are not written over', () => {
  const refuses = async (weights: string, out: string, file: string): Promise<void> => {
    await using lpips = new LPIPS({ net: 'squeeze', weights });
    const before = readFileSync(file);
    await expect(lpips.compileToFile(out, [1, 3, 48, 48])).rejects.toThrow(
      /was read and would be overwritten: name another file$/,
    );
    expect(readFileSync(file).equals(before)).toBe(true);
  };

  it('the file', async () => {
    const path = join(folder, 'weights.pth');
    copyFileSync(SQUEEZENET, path);
    await refuses(path, path, path);
  });

  it('by another name', async () => {
    const [path, other] = [join(folder, 'weights.pth'), join(folder, 'other.onnx')];
    copyFileSync(SQUEEZENET, path);
    await link(path, other);
    await refuses(path, other, path);
  });

  it('the file in the cache', async () => {
    await (await LPIPS.load({ net: 'squeeze', weights: url() })).dispose();
    await refuses(url(), cached(), cached());
  });

  it('an ONNX export', async () => {
    const path = join(folder, 'export.onnx');
    await writeExport(path, 'export.data');
    await refuses(path, path, path);
  });

  it('the weights beside an ONNX export', async () => {
    await writeExport(join(folder, 'export.onnx'), 'out.onnx.data');
    await refuses(join(folder, 'export.onnx'), join(folder, 'out.onnx'), join(folder, 'out.onnx.data'));
  });
});
