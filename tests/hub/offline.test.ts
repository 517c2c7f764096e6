/** What the cache holds serves without the hub, whoever downloaded it. */
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { fetchHubModel } from '../../src/hub/node.js';
import { put } from '../data/images.js';
import { COMMIT, FILES, placeOf, REPO, text, useHub } from './hub.js';
import { etagOf } from './server.js';

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => undefined) }));

const place = useHub();
const SOURCE = `snapshots/${COMMIT}/onnx/model.onnx`;

const goOffline = (): unknown => vi.stubEnv('HF_HUB_OFFLINE', '1');
/** A port where nobody listens. */
const unplug = (): unknown => vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:2');

/** Writes a cache as Python's huggingface_hub does: no list of files, and what was asked for alone. */
async function cacheAsPython(paths: readonly (keyof typeof FILES)[]): Promise<void> {
  await put(join(place.cache, 'refs/main'), COMMIT);
  await put(join(place.home, 'hub/.locks/models--owner--name/some.lock'), '');
  for (const path of paths) {
    const etag = etagOf(FILES[path]);
    await put(join(place.cache, 'blobs', etag), FILES[path]);
    const pointer = join(place.cache, 'snapshots', COMMIT, path);
    await mkdir(dirname(pointer), { recursive: true });
    await symlink(`${'../'.repeat(path.split('/').length + 1)}blobs/${etag}`, pointer);
  }
}

describe.each([
  ['HF_HUB_OFFLINE', goOffline],
  ['no connection', unplug],
  ['a broken hub', () => place.hub.faults.push({ on: '/', kind: 'status', status: 503 })],
  ['a login page in front of the hub', () => place.hub.faults.push({ on: '/', kind: 'status', status: 200 })],
])('%s', (_, disconnect) => {
  beforeEach(() => {
    vi.mocked(pause).mockClear();
  });

  it.each(['main', COMMIT])('finds what was downloaded: %s', async (revision) => {
    const before = await fetchHubModel(REPO);
    disconnect();
    expect(await fetchHubModel(REPO, { revision })).toMatchObject(placeOf(before));
    // Who works without a connection does not wait for one.
    expect(pause).not.toHaveBeenCalled();
  });

  it.each(['main', COMMIT])('finds what Python downloaded: %s', async (revision) => {
    await cacheAsPython(['onnx/model.onnx', 'onnx/model.onnx_data', 'preprocessor_config.json']);
    disconnect();
    expect(await fetchHubModel(REPO, { revision })).toMatchObject({
      source: join(place.cache, SOURCE),
      preprocessor: { size: 224 },
    });
  });
});

it('offline asks nothing', async () => {
  await fetchHubModel(REPO);
  place.hub.log.length = 0;
  goOffline();
  await fetchHubModel(REPO);
  expect(place.hub.log).toEqual([]);
});

it('online completes what Python downloaded in part, and downloads nothing twice', async () => {
  await cacheAsPython(['onnx/model.onnx', 'onnx/model.onnx_data']);
  const { source } = await fetchHubModel(REPO, { revision: COMMIT });
  expect(existsSync(`${source}_data_1`)).toBe(true);
  expect(place.hub.requests('/resolve/').map(({ path }) => path.split('/').at(-1))).toEqual([
    'preprocessor_config.json',
    'model.onnx_data_1',
  ]);
});

describe('offline, with something missing', () => {
  const refused = async (message: string, options = {}) => {
    goOffline();
    const fetched = fetchHubModel(REPO, options);
    await expect(fetched).rejects.toThrow(GlobalPercError);
    await expect(fetched).rejects.toThrow(message);
  };

  it('the repository', () =>
    refused(`HF_HUB_OFFLINE is set, and 'owner/name' at 'main' is not in the cache '${place.cache}'; unset it`));

  it('the revision', async () => {
    await fetchHubModel(REPO);
    await refused("'owner/name' at 'v1.0' is not in the cache", { revision: 'v1.0' });
  });

  it('a file', async () => {
    const { source } = await fetchHubModel(REPO);
    await rm(`${source}_data`);
    await refused(`the cache '${place.cache}' lacks 'onnx/model.onnx_data' of 'owner/name'; unset it to download`);
  });

  it('a blob behind its link', async () => {
    await cacheAsPython(['onnx/model.onnx']);
    await rm(join(place.cache, 'blobs', etagOf(FILES['onnx/model.onnx'])));
    await refused("'owner/name' at 'main' is not in the cache");
  });

  it('a file that Python did not download', async () => {
    await cacheAsPython(['config.json', 'onnx/model_quantized.onnx']);
    await refused("the cache of 'owner/name' at 'main' has only quantised or half-precision ONNX files");
  });

  it('a file that never was there', async () => {
    await fetchHubModel(REPO);
    await refused("'owner/name' at 'main' has no file 'other.onnx'; its ONNX files are", { file: 'other.onnx' });
  });
});

it('the cache does not stand in for a download that was stopped', async () => {
  await fetchHubModel(REPO);
  const control = new AbortController();
  vi.stubGlobal('fetch', async () => {
    control.abort('enough');
    throw new TypeError('fetch failed');
  });
  const fetched = fetchHubModel(REPO, { signal: control.signal }).finally(() => vi.unstubAllGlobals());
  await expect(fetched).rejects.toBe('enough');
});

it('no connection and an empty cache', async () => {
  unplug();
  await expect(fetchHubModel(REPO)).rejects.toThrow(
    'cannot reach http://127.0.0.1:2 (ECONNREFUSED): check the connection and try again',
  );
});

it('a list of files that cannot be read is fetched again', async () => {
  await fetchHubModel(REPO);
  for (const content of ['{', '{"format_version": 2, "files": {}}', '{"format_version": 1, "files": {"../x": {}}}']) {
    await put(join(place.cache, 'trees', `${COMMIT}.json`), text(content));
    expect((await fetchHubModel(REPO)).source).toBe(join(place.cache, SOURCE));
  }
  expect(place.hub.requests('/tree/').length).toBeGreaterThan(3);
});
