/** Where models come from in Node: paths, file URLs and servers. */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { platform } from '../../src/runtime/platform-node.js';

const BYTES = Uint8Array.of(1, 2, 3);
let folder = '';
let server: Server;
let host = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'platform-'));
  await writeFile(join(folder, 'a model.onnx'), BYTES);
  await symlink(join(folder, 'a model.onnx'), join(folder, 'link'));
  server = createServer(({ url }, response) => {
    if (url === '/models/a.onnx' || url === '/models/parts/w%20%231') response.end(BYTES);
    else if (url === '/broken') response.writeHead(200, { 'content-length': 9 }).write(BYTES, () => response.destroy());
    else if (url === '/app/model.onnx')
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>');
    else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

it('reads paths, file URLs and addresses', async () => {
  const path = join(folder, 'a model.onnx');
  const sources = [path, pathToFileURL(path).href, `http://${host}/models/a.onnx`, `HTTP://${host}/models/a.onnx`];
  for (const source of sources) expect(Uint8Array.from(await platform.readBytes(source)), source).toEqual(BYTES);
  expect(await platform.exists(path)).toBe(true);
  expect(await platform.exists(join(folder, 'none'))).toBe(false);
});

it('opens a file beside another', async () => {
  const file = await platform.openBeside(pathToFileURL(join(folder, 'a model.onnx')).href, './link');
  // The runtime follows no links.
  expect(file.place).toEqual({ folder, location: 'a model.onnx', state: expect.stringMatching(/^3 /) });
  expect(file).toMatchObject({ length: 3 });
  const remote = await platform.openBeside(`http://${host}/models/a.onnx`, 'parts/w #1');
  expect(remote).toMatchObject({ length: 3 });
});

it.each<[what: string, source: () => string, message: (source: string) => string]>([
  ['a file that is not there', () => join(folder, 'none'), (source) => `cannot read '${source}': `],
  ['a path that only contains an address', () => join(folder, 'http://x'), (source) => `cannot read '${source}': `],
  ['a file URL of another host', () => 'file://host/a', (source) => `cannot read '${source}': `],
  ['a page that is not there', () => `http://${host}/none`, (source) => `cannot fetch '${source}': HTTP 404`],
  [
    'the page of an application in the place of a file',
    () => `http://${host}/app/model.onnx`,
    (source) => `cannot fetch '${source}': the server sends a page (text/html) instead`,
  ],
  ['an answer that breaks off', () => `http://${host}/broken`, (source) => `cannot fetch '${source}': `],
  ['a host that does not answer', () => 'http://127.0.0.1:1/a', (source) => `cannot fetch '${source}': `],
])('%s is refused', async (_what, sourceOf, message) => {
  const source = sourceOf();
  await expect(platform.readBytes(source)).rejects.toMatchObject({
    name: 'GlobalPercError',
    code: 'io',
    message: expect.stringContaining(message(source)),
  });
});

it('an address that fails tells the reason beneath "fetch failed"', async () => {
  await expect(platform.readBytes('http://127.0.0.1:9/a')).rejects.toThrow(/ECONNREFUSED|bad port/);
});
