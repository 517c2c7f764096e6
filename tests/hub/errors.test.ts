/** What the hub refuses, in one line that says what to do. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { fetchHubModel } from '../../src/hub/node.js';
import type { HubOptions } from '../../src/hub/types.js';
import { put } from '../data/images.js';
import { COMMIT, FILES, REPO, repoOf, text, useHub } from './hub.js';

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => undefined) }));

const place = useHub();

async function refused(message: string, options: HubOptions = {}, repo = REPO): Promise<void> {
  const error = await fetchHubModel(repo, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(GlobalPercError);
  expect((error as Error).message.replaceAll(place.hub.url, 'HUB')).toContain(message);
  expect((error as Error).message).not.toContain('\n');
}

const NO_REPO =
  "HUB has no repository 'owner/other', or it is private: check the name, or set HF_TOKEN to a token that may read it";

describe('the repository', () => {
  it('is not there (401, as the hub answers strangers)', () => refused(NO_REPO, {}, 'owner/other'));

  it('is not there (404)', async () => {
    place.hub.faults.push({
      on: '/owner/other',
      kind: 'status',
      status: 404,
      headers: { 'X-Error-Code': 'RepoNotFound' },
    });
    await refused(NO_REPO, {}, 'owner/other');
  });

  it('is private', async () => {
    place.hub.repos['owner/other'] = repoOf(FILES, { token: 'hf_secret' });
    await refused(NO_REPO, {}, 'owner/other');
  });

  it('is gated', async () => {
    place.hub.repos[REPO] = repoOf(FILES, { token: 'hf_secret', gated: true });
    const message = "'owner/name' is gated: ask for access or accept its terms at HUB/owner/name, and set HF_TOKEN to";
    await refused(message);
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    expect((await fetchHubModel(REPO)).preprocessor).toEqual({ size: 224 });
  });

  it('refuses the token', async () => {
    const headers = { 'X-Error-Message': 'Invalid credentials in Authorization header' };
    place.hub.faults.push({ on: '/api/', kind: 'status', status: 401, headers });
    await refused('HUB does not know the access token; set HF_TOKEN to a token that may read it');
  });

  it.each(['name', 'a/b/c', '../..', 'owner/na--me', 'owner/name@main'])('has no such name: %s', (repo) =>
    refused(`a repository should be named 'owner/name', got '${repo}'`, {}, repo),
  );
});

describe('the revision', () => {
  it.each(['v9', 'a'.repeat(40)])('is not there: %s', (revision) =>
    refused(
      `'owner/name' has no revision '${revision}'; its branches and tags are listed at HUB/owner/name/tree/main`,
      {
        revision,
      },
    ),
  );

  it.each(['', '../../x', 'a b'])("has no such name: '%s'", async (revision) => {
    await refused(`a revision of 'owner/name' should be a branch, tag or commit, got '${revision}'`, { revision });
    expect(place.hub.log).toEqual([]);
  });
});

it('no such file', () =>
  refused("'owner/name' at 'main' has no file 'onnx/other.onnx'; its ONNX files are onnx/model.onnx", {
    file: 'onnx/other.onnx',
  }));

it.each([
  ['not JSON', '{"size"', 'is not JSON: '],
  ['a web page of several lines', '<\n\nhtml\n>', 'is not JSON: '],
  ['not an object', '[224]', 'should be a JSON object, got [224]'],
])('a preprocessor_config.json that is %s', async (_, content, message) => {
  place.hub.repos[REPO] = repoOf({ ...FILES, 'preprocessor_config.json': text(content) });
  await refused(`${join('snapshots', COMMIT, 'preprocessor_config.json')}' ${message}`);
});

it.each(['../../escape.onnx', '/etc/escape.onnx', 'a//b.onnx'])('a path that leads astray: %s', async (path) => {
  place.hub.repos[REPO] = repoOf({ [path]: text('model') });
  await refused(`the hub lists a file '${path}'`);
});

it('a hub that is none', async () => {
  place.hub.faults.push({ on: '/api/', kind: 'status', status: 200 });
  await refused('HUB did not answer as a Hugging Face hub does: ');
});

describe('a variable', () => {
  it.each(['huggingface.co', 'ftp://huggingface.co', '::'])('HF_ENDPOINT: %s', (value) => {
    vi.stubEnv('HF_ENDPOINT', value);
    return refused(`HF_ENDPOINT should be a URL such as https://huggingface.co, got '${value}'`);
  });

  it.each(['soon', '0', '-1', 'Infinity'])('HF_HUB_DOWNLOAD_TIMEOUT: %s', (value) => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', value);
    return refused(`HF_HUB_DOWNLOAD_TIMEOUT should be a number of seconds, got '${value}'`);
  });
});

it('an HF_ENDPOINT with a password is not repeated', () => {
  vi.stubEnv('HF_ENDPOINT', 'https://user:secret@example.com');
  return refused('HF_ENDPOINT should be a URL without user name and password; HF_TOKEN gives access');
});

it.each(['hf_a\nhf_b', 'hf_ä'])('a token that no header can hold is not repeated: %j', async (token) => {
  vi.stubEnv('HF_TOKEN', token);
  await refused('the access token (HF_TOKEN, or the file `token` in HF_HOME) should be one word');
});

it('a proxy that Node does not heed', async () => {
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:2');
  vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:3');
  await refused(
    'cannot reach http://127.0.0.1:2 (ECONNREFUSED): Node heeds HTTPS_PROXY only with NODE_USE_ENV_PROXY=1',
  );
});

it('a cache that may not be written', async () => {
  await put(join(place.cache, 'snapshots'), 'a file');
  await refused("cannot create the folder '");
});
