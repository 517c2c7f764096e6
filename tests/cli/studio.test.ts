/** `globalperc studio`: what its server gives, and what it does not. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStudio } from '../../src/cli/studio.js';
import type { StudioServer } from '../../src/cli/studio-server.js';
import { runHere } from '../support/command.js';

const folder = mkdtempSync(join(tmpdir(), 'globalperc-studio-'));
const [page, demo] = [join(folder, 'page'), join(folder, 'demo')];
const LINE = '{"step":1,"loss":2,"gradNorm":1,"lr":0.1,"hooks":[],"seconds":1}\n';
let server: StudioServer;

beforeAll(async () => {
  for (const path of ['page/assets', 'demo/L1', 'demo/other', 'run', 'empty'])
    mkdirSync(join(folder, path), { recursive: true });
  const files = {
    'secret.txt': 'secret',
    'page/index.html': '<!doctype html>',
    'page/assets/index.js': 'export {};',
    'page/assets/runtime.wasm': 'wasm',
    'demo/L1/log.jsonl': LINE,
    'run/log.jsonl': LINE + LINE,
    'run/samples-00000200.png': 'second',
    'run/samples-00000100.png': 'first',
    'run/student.onnx': 'weights',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  symlinkSync(join(folder, 'secret.txt'), join(page, 'link.txt'));
  server = await startStudio([join(folder, 'run'), demo], 0, page);
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A request as it is written: `fetch` would put `..` right before it sends it. */
const get = (path: string, options: { readonly method?: string; readonly host?: string } = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(server.url);
    const headers = { host: options.host ?? `localhost:${port}` };
    const sent = request({ host: '127.0.0.1', port, path, method: options.method ?? 'GET', headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on('error', reject).end();
  });

it.each([
  ['/', 'text/html; charset=utf-8', '<!doctype html>'],
  ['/assets/index.js', 'text/javascript; charset=utf-8', 'export {};'],
  ['/assets/runtime.wasm', 'application/wasm', 'wasm'],
  ['/run/0/samples-00000100.png', 'image/png', 'first'],
  ['/run/0/log.jsonl', 'text/plain; charset=utf-8', LINE + LINE],
  ['/run/1/log.jsonl', 'text/plain; charset=utf-8', LINE],
])('%s comes with its type and the headers that give a page shared memory', async (path, type, content) => {
  const { status, headers, text } = await get(path);
  expect([status, text]).toEqual([200, content]);
  expect(headers).toMatchObject({
    'content-type': type,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'x-content-type-options': 'nosniff',
  });
});

it('serves the networks of the package, which are not in the page', async () => {
  const { status, headers } = await get('/assets/lpips-alex.onnx', { method: 'HEAD' });
  expect([status, Number(headers['content-length']) > 9e6]).toEqual([200, true]);
});

it('follows a log: from some byte on, and how long it is', async () => {
  const whole = LINE.length * 2;
  const part = await get(`/run/0/log.jsonl?from=${LINE.length}`);
  expect([part.text, part.headers['x-size']]).toEqual([LINE, String(whole)]);
  expect((await get(`/run/0/log.jsonl?from=${whole + 10}`)).text).toBe('');
  expect((await get('/run/0/log.jsonl?from=-3')).text).toHaveLength(whole);
});

it('names the runs, those in a folder of runs too, with their samples in order', async () => {
  expect(JSON.parse((await get('/runs.json')).text)).toEqual([
    { name: 'run', samples: ['samples-00000100.png', 'samples-00000200.png'] },
    { name: 'L1', samples: [] },
  ]);
});

it.each([
  ['a path that leads out of the page', '/../secret.txt', 404],
  ['the same, encoded', '/%2e%2e/secret.txt', 404],
  ['slashes encoded too', '/..%2fsecret.txt', 404],
  ['a link that leads out of it', '/link.txt', 404],
  ['a folder', '/assets', 404],
  ['what is not there', '/none.js', 404],
  ['what is no path', '/%E0%A4%A', 400],
  ['what a run holds besides', '/run/0/student.onnx', 404],
  ['a path out of a run', '/run/0/..%2f..%2fsecret.txt', 404],
  ['a run that is not there', '/run/7/log.jsonl', 404],
  ['another network', '/assets/..%2f..%2fpackage.onnx', 404],
])('refuses %s', async (_, path, status) => {
  const answer = await get(path);
  expect(answer.status).toBe(status);
  expect(answer.text).not.toContain('secret');
});

it('refuses to write, and names that another site may have led here', async () => {
  expect((await get('/', { method: 'POST' })).status).toBe(405);
  expect((await get('/', { host: 'evil.example' })).status).toBe(403);
});

describe('globalperc studio', () => {
  it.each([
    ['a folder that is not there', [join(folder, 'none')], /cannot show the run '.*none': there is no such folder/],
    ['a folder without a log', [join(folder, 'empty')], /'.*empty' holds no run: it has no log.jsonl/],
    ['a port that is none', ['--port', '99999'], /--port should be an integer from 0 to 65535, got '99999'/],
  ])('%s: one line', async (_, args, message) => {
    const { status, stderr } = await runHere(['studio', ...args, '--no-open']);
    expect(status).toBe(2);
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('a page that is not built: one line', async () => {
    await expect(startStudio([], 0, join(folder, 'empty'))).rejects.toThrow(
      /^the page is not built: .*npm run build:studio makes it$/,
    );
  });

  it('a port that is taken: one line', async () => {
    const port = Number(new URL(server.url).port);
    await expect(startStudio([], port, page)).rejects.toThrow(`--port ${port}: it is taken; name another`);
  });
});
