/** Weights by URL: downloaded once into torch.hub's cache, whole or not at all. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { fetchWeights as inBrowser } from '../../src/hub/browser.js';
import { fetchWeights } from '../../src/hub/node.js';
import { put, temporaryFolder } from '../data/images.js';
import { content, filesBelow, useHub } from './hub.js';
import { type Fault, sha256 } from './server.js';

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => undefined) }));

const place = useHub();
const WEIGHTS = content(300_000, 9);
const HALF = WEIGHTS.length / 2;
const NAME = `net-${sha256(WEIGHTS).slice(0, 8)}.pth`;

beforeEach(() => {
  vi.mocked(pause).mockClear();
  vi.stubEnv('TORCH_HOME', place.home);
  place.hub.files[`/models/${NAME}`] = WEIGHTS;
});

const url = (name = NAME): string => `${place.hub.url}/models/${name}`;
const checkpoints = (home = place.home): string => join(home, 'hub', 'checkpoints');
const kept = (): string[] => (existsSync(checkpoints()) ? filesBelow(checkpoints()) : []);
const ranges = (): (string | undefined)[] => place.hub.requests('/models/').map(({ range }) => range);

async function expectWhole(path: string): Promise<void> {
  expect(path).toBe(join(checkpoints(), NAME));
  expect(readFileSync(path).equals(WEIGHTS)).toBe(true);
  expect(kept()).toEqual([NAME]);
}

async function expectRefused(message: string | RegExp): Promise<void> {
  const error = await fetchWeights(url()).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(GlobalPercError);
  expect((error as GlobalPercError).message).toMatch(message);
  expect((error as GlobalPercError).code).toBe('io');
}

describe('a file is downloaded once', () => {
  it('and asked for no more', async () => {
    await expectWhole(await fetchWeights(url()));
    place.hub.log.length = 0;
    await expectWhole(await fetchWeights(url()));
    expect(place.hub.log).toEqual([]);
  });

  it('whatever its address has behind the name, and from whatever server', async () => {
    await expectWhole(await fetchWeights(`${url()}?download=true#here`));
    await expectWhole(await fetchWeights(`http://127.0.0.1:2/${NAME}`));
  });

  it('not at all where PyTorch has left it', async () => {
    await put(join(checkpoints(), NAME), WEIGHTS);
    await expectWhole(await fetchWeights(url()));
    expect(place.hub.log).toEqual([]);
  });

  it('without a connection, once it is there', async () => {
    await fetchWeights(url());
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('fetch failed')));
    await expectWhole(await fetchWeights(url()).finally(() => vi.unstubAllGlobals()));
  });

  it('and tells its progress in bytes', async () => {
    const told: unknown[] = [];
    await fetchWeights(url(), { onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)).toEqual({ step: 'download', file: NAME, loaded: WEIGHTS.length, total: WEIGHTS.length });
    told.length = 0;
    await fetchWeights(url(), { onProgress: (progress) => told.push(progress) });
    expect(told).toEqual([]);
  });
});

describe("torch's own place", () => {
  it.each<[string, () => Record<string, string | undefined>, () => string]>([
    ['TORCH_HOME', () => ({ TORCH_HOME: place.home }), () => place.home],
    [
      'TORCH_HOME with ~',
      () => ({ TORCH_HOME: '~/models', HOME: place.home, USERPROFILE: place.home }),
      () => join(homedir(), 'models'),
    ],
    ['XDG_CACHE_HOME', () => ({ TORCH_HOME: undefined, XDG_CACHE_HOME: place.home }), () => join(place.home, 'torch')],
    [
      'the home',
      () => ({ TORCH_HOME: undefined, HOME: place.home, USERPROFILE: place.home }),
      () => join(homedir(), '.cache', 'torch'),
    ],
  ])('%s', async (_, variables, home) => {
    for (const [name, value] of Object.entries(variables())) vi.stubEnv(name, value);
    expect(home().startsWith(place.home)).toBe(true);
    const path = await fetchWeights(url());
    expect(path).toBe(join(checkpoints(home()), NAME));
    expect(readFileSync(path).equals(WEIGHTS)).toBe(true);
  });
});

describe('is left to its reader', () => {
  it.each([
    'net.pth',
    './folder/net-01234567.pth',
    'file:///folder/net-01234567.pth',
    'https://example.org/net.pth',
    'https://example.org/net-0123456.pth',
    'https://example.org/net-01234567.onnx',
    'https://example.org/net-01234567.pth/',
    'https://example.org/..%2Fnet+-01234567.pth',
  ])('%s', async (source) => {
    expect(await fetchWeights(source)).toBe(source);
    expect(kept()).toEqual([]);
  });

  it('any file in a browser, whose own cache serves it', async () => {
    expect(await inBrowser(url())).toBe(url());
    expect(place.hub.log).toEqual([]);
  });
});

describe('a fault that passes', () => {
  const rest = `bytes=${HALF}-`;
  it.each<[string, Omit<Fault, 'on'>, (string | undefined)[]]>([
    ['the connection is cut: continued', { kind: 'cut', times: 1 }, [undefined, rest]],
    [
      'a body that ends early, but as its length says: fetched again',
      { kind: 'truncate', times: 1 },
      [undefined, undefined],
    ],
    ['a byte is wrong: fetched again', { kind: 'corrupt', times: 1 }, [undefined, undefined]],
    ['a busy server: asked again', { kind: 'status', status: 503, times: 2 }, [undefined, undefined, undefined]],
    ['a server that does not tell the length', { kind: 'no length' }, [undefined]],
  ])('%s', async (_, fault, expected) => {
    place.hub.faults.push({ ...fault, on: '/models/' });
    await expectWhole(await fetchWeights(url()));
    expect(ranges()).toEqual(expected);
  });

  it.each<[string, Uint8Array, (string | undefined)[]]>([
    ['a part is continued', WEIGHTS.subarray(0, 1234), ['bytes=1234-']],
    ['a part that is whole needs nothing', WEIGHTS, []],
    ['a wrong part is fetched again', content(1234, 5), ['bytes=1234-', undefined]],
    ['one that is too long, too', content(WEIGHTS.length + 1, 5), [`bytes=${WEIGHTS.length + 1}-`, undefined]],
  ])('of an earlier download: %s', async (_, part, expected) => {
    await put(join(checkpoints(), `${NAME}.incomplete`), part);
    await expectWhole(await fetchWeights(url()));
    expect(ranges()).toEqual(expected);
  });
});

describe('a fault that stays', () => {
  it('wrong bytes: nothing is left', async () => {
    place.hub.faults.push({ on: '/models/', kind: 'corrupt' });
    await expectRefused(
      /^'http:.*\/models\/net-\w{8}\.pth' arrived damaged: its checksum is wrong; it was removed, try again later$/,
    );
    expect(kept()).toEqual([]);
  });

  it('another file under the name', async () => {
    place.hub.files[`/models/${NAME}`] = content(1000, 3);
    await expectRefused(/arrived damaged: its checksum is wrong/);
    expect(kept()).toEqual([]);
  });

  it('no such file', async () => {
    delete place.hub.files[`/models/${NAME}`];
    place.hub.faults.push({ on: '/models/', kind: 'status', status: 404 });
    await expectRefused(/^cannot fetch 'http:.*\.pth': HTTP 404; check the address, or give the path of the file$/);
    expect(ranges()).toEqual([undefined]);
    expect(kept()).toEqual([]);
  });

  it('no server', async () => {
    const message = 'cannot reach http://127.0.0.1:2 (ECONNREFUSED): check the connection and try again';
    await expect(fetchWeights(`http://127.0.0.1:2/${NAME}`)).rejects.toThrow(message);
  });

  it('no folder for the cache', async () => {
    await put(place.home, 'a file');
    await expectRefused(/^cannot create the folder '.*checkpoints': .*; TORCH_HOME names another place for the cache$/);
  });
});

it('a signal stops it, and what has come is kept', async () => {
  place.hub.faults.push({ on: '/models/', kind: 'stall' });
  const control = new AbortController();
  const onProgress = ({ loaded }: { loaded: number }): void => {
    if (loaded === HALF) control.abort('enough');
  };
  await expect(fetchWeights(url(), { signal: control.signal, onProgress })).rejects.toBe('enough');
  expect(kept()).toEqual([`${NAME}.incomplete`]);
});

describe('several at once', () => {
  it('in one process', async () => {
    for (const path of await Promise.all(Array.from({ length: 4 }, () => fetchWeights(url())))) await expectWhole(path);
  });

  it('in two processes', async () => {
    const program = join(temporaryFolder(), 'program.mjs');
    const source = fileURLToPath(new URL('../../src/hub/node.ts', import.meta.url));
    await build({
      stdin: {
        contents: `import { fetchWeights } from ${JSON.stringify(source)}; await fetchWeights(process.argv[2]);`,
        resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: program,
    });
    place.hub.faults.push({ on: '/models/', kind: 'slow' });
    const start = (): ChildProcess => spawn(process.execPath, [program, url()], { stdio: 'inherit' });
    const ended = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.once('exit', done));
    expect(await Promise.all([start(), start()].map(ended))).toEqual([0, 0]);
    await expectWhole(join(checkpoints(), NAME));
  });
});
