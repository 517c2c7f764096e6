/** Several downloads of one model at a time: in one process, in two, and after one was killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { fetchHubModel } from '../../src/hub/node.js';
import { put, temporaryFolder } from '../data/images.js';
import { COMMIT, content, filesBelow, MODEL, REPO, repoOf, text, useHub } from './hub.js';
import { sha256 } from './server.js';

const place = useHub();
const program = join(temporaryFolder(), 'program.mjs');
const BLOB = sha256(MODEL);

beforeAll(async () => {
  const source = fileURLToPath(new URL('../../src/hub/node.ts', import.meta.url));
  const contents = `import { fetchHubModel } from ${JSON.stringify(source)};
    await fetchHubModel('${REPO}', { onProgress: () => process.send?.('progress') });`;
  await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../..', import.meta.url)) },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
  });
});

beforeEach(() => {
  place.hub.repos[REPO] = repoOf({ 'model.onnx': MODEL, 'preprocessor_config.json': text('{}') });
});

/** Starts the download in another process. */
const start = (): ChildProcess =>
  spawn(process.execPath, [program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
const ended = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.once('exit', done));
const blobs = async (): Promise<string[]> =>
  (await readdir(join(place.cache, 'blobs'))).filter((name) => name.startsWith(BLOB));
const expectWhole = (path: string): void => expect(readFileSync(path).equals(MODEL)).toBe(true);
const MODEL_PATH = join('snapshots', COMMIT, 'model.onnx');

/** Waits until a download has half of the file. */
async function halfway(): Promise<string> {
  return vi.waitFor(async () => {
    const [name = ''] = await blobs();
    const path = join(place.cache, 'blobs', name);
    expect(readFileSync(path).length).toBe(MODEL.length / 2);
    return path;
  }, 10_000);
}

it('eight in one process', async () => {
  const models = await Promise.all(Array.from({ length: 8 }, () => fetchHubModel(REPO)));
  for (const { source } of models) expectWhole(source);
  expect(new Set(models.map(({ source }) => source)).size).toBe(1);
  expect(await blobs()).toEqual([BLOB]);
  expect(filesBelow(join(place.cache, 'snapshots', COMMIT))).toEqual(['model.onnx', 'preprocessor_config.json']);
});

it('four processes', async () => {
  const children = Array.from({ length: 4 }, start);
  expect(await Promise.all(children.map(ended))).toEqual([0, 0, 0, 0]);
  expectWhole(join(place.cache, MODEL_PATH));
  expect(await blobs()).toEqual([BLOB]);
});

it('a damaged one beside a good one', async () => {
  place.hub.faults.push({ on: '/storage/', kind: 'corrupt', times: 1 });
  const models = await Promise.all([fetchHubModel(REPO), fetchHubModel(REPO)]);
  for (const { source } of models) expectWhole(source);
  expect(await blobs()).toEqual([BLOB]);
});

it('one that is killed is continued by the next', async () => {
  place.hub.faults.push({ on: '/storage/', kind: 'stall', times: 1 });
  const child = start();
  await halfway();
  child.kill('SIGKILL');
  await ended(child);
  const { source } = await fetchHubModel(REPO);
  expectWhole(source);
  expect(place.hub.requests('/storage/').map(({ range }) => range)).toEqual([undefined, `bytes=${MODEL.length / 2}-`]);
  expect(await blobs()).toEqual([BLOB]);
});

it('one that still runs keeps its part to itself', async () => {
  place.hub.faults.push({ on: '/storage/', kind: 'stall', times: 1 });
  const child = start();
  const partial = await halfway();
  const { source } = await fetchHubModel(REPO);
  expectWhole(source);
  expect(place.hub.requests('/storage/').map(({ range }) => range)).toEqual([undefined, undefined]);
  expect(readFileSync(partial).length).toBe(MODEL.length / 2);
  child.kill('SIGKILL');
  await ended(child);
});

it('what several left is cleared away', async () => {
  const blob = join(place.cache, 'blobs', BLOB);
  const noProcess = 99_999_999;
  const host = hostname().replace(/[^\w-]/g, '_');
  for (const i of [1, 2]) await put(`${blob}.${host}-${noProcess}-${i}.incomplete`, MODEL.subarray(0, 10 * i));
  await put(`${blob}.incomplete`, MODEL.subarray(0, 30));
  expectWhole((await fetchHubModel(REPO)).source);
  expect(place.hub.requests('/storage/')[0]?.range).toMatch(/^bytes=[123]0-$/);
  expect(await blobs()).toEqual([BLOB]);
});

it('what another machine or program left is not touched', async () => {
  const blob = join(place.cache, 'blobs', BLOB);
  const others = [`${blob}.elsewhere-1-1.incomplete`, `${blob}.0a1b2c3d.incomplete`];
  for (const other of others) await put(other, content(10, 7));
  expectWhole((await fetchHubModel(REPO)).source);
  for (const other of others) expect(readFileSync(other).equals(content(10, 7))).toBe(true);
  expect(place.hub.requests('/storage/')[0]?.range).toBeUndefined();
});

it('a part that is taken away is fetched again', async () => {
  place.hub.faults.push({ on: '/storage/', kind: 'stall', times: 1 });
  vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '1');
  const fetched = fetchHubModel(REPO);
  const partial = await halfway();
  await rename(partial, `${partial}.elsewhere`);
  expectWhole((await fetched).source);
});
