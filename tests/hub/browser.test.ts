/** In a browser: URLs, found with one request, and nothing of Node's. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { fetchHubModel, parseHubId } from '../../src/hub/browser.js';
import * as node from '../../src/hub/node.js';
import { bundled } from '../support/bundle.js';
import { COMMIT, REPO, repoOf, text, useHub } from './hub.js';

const place = useHub();
const HUB = 'https://huggingface.co';

/** The page asks the real hub; the test's answers. */
beforeEach(() => {
  const real = fetch;
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => real(url.replace(HUB, place.hub.url), init));
});
afterEach(() => vi.unstubAllGlobals());

it('has what Node has, but for a folder of files', async () => {
  expect(parseHubId).toBe(node.parseHubId);
  const browser = await import('../../src/hub/browser.js');
  expect(Object.keys(browser).sort()).toEqual(
    Object.keys(node)
      .filter((name) => name !== 'fetchHubFiles')
      .sort(),
  );
});

it('gives the URL, at the commit that the revision names now, and the preprocessor', async () => {
  const model = await fetchHubModel(REPO, { revision: 'refs/pr/1' });
  expect(model).toEqual({
    source: `${HUB}/${REPO}/resolve/${COMMIT}/onnx/model.onnx`,
    preprocessor: { size: 224 },
  });
  expect(place.hub.log.map(({ path }) => path)).toEqual([
    `/api/models/${REPO}/revision/refs%2Fpr%2F1`,
    `/${REPO}/resolve/${COMMIT}/preprocessor_config.json`,
  ]);
});

it('gives the file asked for, its name escaped', async () => {
  place.hub.repos[REPO] = repoOf({ 'a b/#1.onnx': text('model') });
  expect(await fetchHubModel(REPO, { file: 'a b/#1.onnx' })).toEqual({
    source: `${HUB}/${REPO}/resolve/${COMMIT}/a%20b/%231.onnx`,
  });
});

it.each([
  [
    'no repository',
    {},
    'owner/other',
    `${HUB} has no repository 'owner/other', or it is private: check the name, or host`,
  ],
  ['no revision', { revision: 'v9' }, REPO, "'owner/name' has no revision 'v9'"],
  ['no file', { file: 'b.onnx' }, REPO, "'owner/name' at 'main' has no file 'b.onnx'; its ONNX files are"],
  ['no name', {}, 'name', "a repository should be named 'owner/name', got 'name'"],
])('refused: %s', async (_, options, repo, message) => {
  const fetched = fetchHubModel(repo, options);
  await expect(fetched).rejects.toThrow(GlobalPercError);
  await expect(fetched).rejects.toThrow(message);
});

it('refused: a hub that is none, and no connection', async () => {
  place.hub.faults.push({ on: '/api/', kind: 'status', status: 200, times: 1 });
  await expect(fetchHubModel(REPO)).rejects.toThrow('did not answer as a Hugging Face hub does: <html>');
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  await expect(fetchHubModel(REPO)).rejects.toThrow(`cannot reach ${HUB} (Failed to fetch): check the connection`);
});

it('stops with the reason of a signal', async () => {
  await expect(fetchHubModel(REPO, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
});

it('bundles small, without modules of Node', async () => {
  const bundle = await bundled(new URL('../../src/hub/browser.ts', import.meta.url));
  expect(bundle.length).toBeGreaterThan(0);
  expect(bundle.length).toBeLessThan(10_000);
});
