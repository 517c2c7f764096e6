/** Models by URL, in Node. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { constantOf, GlobalPercError } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';

const files: Record<string, Uint8Array> = {};
let server: Server;
let base: string;
beforeAll(async () => {
  const graph = createGraph();
  const weight = graph.constant(constantOf('float32', [2, 2], [1, 2, 3, 4]), 'fc.weight');
  graph.output('y', graph.input('x', 'float32', [1, 1, 2, 2]).matmul(weight));
  const { model, external } = writeOnnx(graph, { opset: 20, externalFrom: 1, externalPath: 'data/w 1.bin' });
  Object.assign(files, { '/a/m.onnx': model, '/a/data/w%201.bin': external[0]?.constant.bytes, '/b/m.onnx': model });
  server = createServer(({ url = '' }, response) => {
    response.writeHead(files[url] ? 200 : 404).end(files[url]);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

it('is read with its external data beside it', async () => {
  const { graph } = await loadModel(new URL(`${base}/a/m.onnx`));
  const [, weight] = graph.nodes[0]?.inputs ?? [];
  expect(new Float32Array(weight?.constant?.bytes.slice().buffer as ArrayBuffer)).toEqual(Float32Array.of(1, 2, 3, 4));
});

it.each([
  ['of a file that is not there', () => `${base}/none.onnx`, /cannot fetch 'http:.*none.onnx': HTTP 404/],
  ['of a server that is not there', () => 'http://127.0.0.1:2/m.onnx', /cannot fetch .*: connect ECONNREFUSED/],
  ['whose data are missing', () => `${base}/b/m.onnx`, /keeps its weights in 'data\/w 1.bin'.*HTTP 404/],
  ['of another host', () => 'file://host/m.onnx', /cannot read 'file:\/\/host\/m.onnx': File URL host/],
])('%s: one clear line', async (_, source, message) => {
  const error = await loadModel(source()).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(GlobalPercError);
  expect((error as Error).message).toMatch(message);
});

it('tells how far it is, where the server tells how much there is', async () => {
  const reports: unknown[] = [];
  const total = files['/a/m.onnx']?.length as number;
  server.prependOnceListener('request', (_, response) => response.setHeader('Content-Length', total));
  await loadModel(`${base}/a/m.onnx`, { onProgress: (progress) => reports.push(progress) });
  expect(reports.at(0)).toEqual({ step: 'read' });
  expect(reports).toContainEqual({ step: 'download', file: 'm.onnx', loaded: total, total });
  expect(reports.at(-1)).toEqual({ step: 'parse' });
});

it('is not read once its reader has given up', async () => {
  const reason = new Error('given up');
  const signal = AbortSignal.abort(reason);
  await expect(loadModel(`${base}/a/m.onnx`, { signal })).rejects.toBe(reason);
});
