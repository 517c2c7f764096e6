/** A model is downloaded once, in the layout of Python's huggingface_hub. */
import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { fetchHubModel } from '../../src/hub/node.js';
import type { HubProgress } from '../../src/hub/types.js';
import { put } from '../data/images.js';
import { COMMIT, content, FILES, FOLDER, filesBelow, MODEL, placeOf, REPO, repoOf, text, useHub } from './hub.js';
import { etagOf, gitHash, sha256 } from './server.js';

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  return { ...actual, symlink: vi.fn(actual.symlink) };
});

const place = useHub();
const NEEDED = [
  'onnx/model.onnx',
  'onnx/model.onnx_data',
  'onnx/model.onnx_data_1',
  'preprocessor_config.json',
] as const;

describe('the first time', () => {
  it('gives the file, its external data beside it, and the preprocessor', async () => {
    const { source, preprocessor } = await fetchHubModel(REPO);
    expect(source).toBe(join(place.cache, 'snapshots', COMMIT, 'onnx/model.onnx'));
    expect(readFileSync(source).equals(MODEL)).toBe(true);
    expect(readFileSync(`${source}_data_1`).equals(FILES['onnx/model.onnx_data_1'])).toBe(true);
    expect(preprocessor).toEqual({ size: 224 });
  });

  it('leaves what Python leaves: blobs by checksum, links to them, the branch and the list of files', async () => {
    await fetchHubModel(REPO);
    const { cache } = place;
    expect(filesBelow(cache)).toEqual(
      [
        ...NEEDED.map((path) => `blobs/${etagOf(FILES[path])}`),
        ...NEEDED.map((path) => `snapshots/${COMMIT}/${path}`),
        'refs/main',
        `trees/${COMMIT}.json`,
      ].sort(),
    );
    expect(readFileSync(join(cache, 'refs/main'), 'utf8')).toBe(COMMIT);
    expect(readlinkSync(join(cache, 'snapshots', COMMIT, 'onnx/model.onnx'))).toBe(`../../../blobs/${sha256(MODEL)}`);
    expect(readlinkSync(join(cache, 'snapshots', COMMIT, 'preprocessor_config.json'))).toBe(
      `../../blobs/${gitHash(FILES['preprocessor_config.json'])}`,
    );
    const tree = JSON.parse(readFileSync(join(cache, 'trees', `${COMMIT}.json`), 'utf8'));
    expect(tree.format_version).toBe(1);
    expect(tree.files['README.md']).toEqual({ size: 9, blob_id: gitHash(FILES['README.md']) });
    expect(tree.files['onnx/model.onnx']).toEqual({
      size: MODEL.length,
      blob_id: gitHash(MODEL),
      lfs_sha256: sha256(MODEL),
      lfs_size: MODEL.length,
    });
  });

  it('copies where links cannot be made', async () => {
    vi.mocked(symlink).mockRejectedValue(Object.assign(new Error('no links here'), { code: 'EPERM' }));
    const { source } = await fetchHubModel(REPO).finally(() => vi.mocked(symlink).mockReset());
    expect(lstatSync(source).isFile()).toBe(true);
    expect(readFileSync(source).equals(MODEL)).toBe(true);
    expect(existsSync(join(place.cache, 'blobs', sha256(MODEL)))).toBe(true);
  });

  it('tells its progress in bytes of all files', async () => {
    const seen: HubProgress[] = [];
    await fetchHubModel(REPO, { onProgress: (progress) => seen.push(progress) });
    const total = NEEDED.reduce((sum, path) => sum + FILES[path].length, 0);
    expect(seen.every((progress) => progress.step === 'download' && progress.total === total)).toBe(true);
    expect(seen.map(({ loaded }) => loaded)).toEqual(seen.map(({ loaded }) => loaded).toSorted((a, b) => a - b));
    expect(seen.at(-1)).toMatchObject({ file: 'onnx/model.onnx', loaded: total });
    expect(new Set(seen.map(({ file }) => file))).toEqual(new Set(NEEDED));
  });

  it('streams: no piece is the whole file', async () => {
    place.hub.repos[REPO] = repoOf({ 'model.onnx': content(5_000_000) });
    const seen: number[] = [];
    await fetchHubModel(REPO, { onProgress: ({ loaded }) => seen.push(loaded) });
    expect(Math.max(...seen.map((loaded, i) => loaded - (seen[i - 1] ?? 0)))).toBeLessThan(1_000_000);
  });

  it('fetches the file asked for, with names that a URL must escape', async () => {
    const file = 'sub folder/größe #1?.onnx';
    place.hub.repos[REPO] = repoOf({ ...FILES, [file]: content(1200) });
    const { source } = await fetchHubModel(REPO, { file });
    expect(readFileSync(source).equals(content(1200))).toBe(true);
  });

  it('needs no preprocessor, and takes an empty file', async () => {
    place.hub.repos[REPO] = repoOf({ 'model.onnx': text('model'), 'model.onnx_data': text('') });
    const model = await fetchHubModel(REPO);
    expect(placeOf(model)).toEqual({ source: join(place.cache, 'snapshots', COMMIT, 'model.onnx') });
    expect(readFileSync(`${model.source}_data`).length).toBe(0);
  });
});

describe('the second time', () => {
  it('downloads nothing, and says no progress', async () => {
    const first = await fetchHubModel(REPO);
    place.hub.log.length = 0;
    const onProgress = vi.fn();
    expect(await fetchHubModel(REPO, { onProgress })).toMatchObject(placeOf(first));
    expect(place.hub.log.map(({ path }) => path)).toEqual([`/api/models/${REPO}/revision/main`]);
    expect(onProgress).not.toHaveBeenCalled();
  });

  it('asks nothing for a commit', async () => {
    const first = await fetchHubModel(REPO, { revision: COMMIT });
    expect(filesBelow(place.cache)).not.toContain(`refs/${COMMIT}`);
    place.hub.log.length = 0;
    expect(await fetchHubModel(REPO, { revision: COMMIT })).toMatchObject(placeOf(first));
    expect(place.hub.log).toEqual([]);
  });

  it.each(['v1.0', 'refs/pr/1'])('shares the files between revisions of one commit: %s', async (revision) => {
    const first = await fetchHubModel(REPO);
    place.hub.log.length = 0;
    expect(await fetchHubModel(REPO, { revision })).toMatchObject(placeOf(first));
    expect(place.hub.log.length).toBe(1);
    expect(readFileSync(join(place.cache, 'refs', revision), 'utf8')).toBe(COMMIT);
  });

  it('fetches what a new commit changed, and no more', async () => {
    const first = await fetchHubModel(REPO);
    const next = 'f'.repeat(40);
    const changed = { ...FILES, 'onnx/model.onnx_data': content(2000, 9) };
    place.hub.repos[REPO] = { refs: { main: next }, commits: { [COMMIT]: FILES, [next]: changed } };
    place.hub.log.length = 0;
    const second = await fetchHubModel(REPO);
    expect(second.source).toBe(join(place.cache, 'snapshots', next, 'onnx/model.onnx'));
    expect(readFileSync(`${second.source}_data`).equals(content(2000, 9))).toBe(true);
    expect(readFileSync(`${first.source}_data`).equals(content(2000, 1))).toBe(true);
    expect(place.hub.requests('/resolve/').length).toBe(1);
    expect(readFileSync(join(place.cache, 'refs/main'), 'utf8')).toBe(next);
  });

  it('replaces a blob that has become shorter', async () => {
    const { source } = await fetchHubModel(REPO);
    await put(join(place.cache, 'blobs', sha256(MODEL)), 'short');
    expect(readFileSync((await fetchHubModel(REPO)).source).equals(MODEL)).toBe(true);
    expect(lstatSync(source).isSymbolicLink()).toBe(true);
  });
});

describe('the environment', () => {
  it.each([
    ['HF_HUB_CACHE', (home: string) => ({ HF_HUB_CACHE: join(home, 'a') }), 'a'],
    ['HF_HOME', (home: string) => ({ HF_HOME: join(home, 'b') }), 'b/hub'],
    [
      'XDG_CACHE_HOME',
      (home: string) => ({ HF_HOME: undefined, XDG_CACHE_HOME: join(home, 'c') }),
      'c/huggingface/hub',
    ],
    ['the home folder', (home: string) => ({ HF_HOME: undefined, HOME: home }), '.cache/huggingface/hub'],
    ['~', (home: string) => ({ HF_HOME: '~/d', HOME: home }), 'd/hub'],
  ])('%s places the cache', async (_, variables, folder) => {
    for (const [name, value] of Object.entries(variables(place.home))) vi.stubEnv(name, value);
    const { source } = await fetchHubModel(REPO);
    expect(source).toBe(join(place.home, folder, FOLDER, 'snapshots', COMMIT, 'onnx/model.onnx'));
  });

  it.each([
    ['HF_TOKEN', async () => vi.stubEnv('HF_TOKEN', 'hf_secret\n')],
    ['the file `token`', () => put(join(place.home, 'token'), 'hf_secret\n')],
  ])('%s opens a private repository, and is not told to the storage', async (_, give) => {
    place.hub.repos[REPO] = repoOf(FILES, { token: 'hf_secret' });
    await give();
    await fetchHubModel(REPO);
    const [own, storage] = [place.hub.requests(REPO), place.hub.requests('/storage/')];
    expect(storage.length).toBe(3);
    expect(new Set(own.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer hf_secret']));
    expect(new Set(storage.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });

  it('HF_TOKEN is not told to another host that the list of files goes on at', async () => {
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    place.hub.listsElsewhere = true;
    await fetchHubModel(REPO);
    const told = place.hub.requests('/tree/').map(({ authorization }) => authorization);
    expect(told).toEqual(['Bearer hf_secret', undefined]);
  });

  it('no token, no header', async () => {
    await fetchHubModel(REPO);
    expect(place.hub.log.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it('HF_ENDPOINT may end in a slash', async () => {
    vi.stubEnv('HF_ENDPOINT', `${place.hub.url}/`);
    expect((await fetchHubModel(REPO)).preprocessor).toEqual({ size: 224 });
  });
});
