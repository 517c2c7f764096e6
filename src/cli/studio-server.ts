/** The server behind `globalperc studio`: the built page, and the runs it shows. This machine alone reaches it. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { openForReading, reasonOf } from '../files/index.js';
import { GlobalPercError } from '../index.js';
import { describeRun, isShown, type StudioRun } from './studio-runs.js';

/** Folders that are served. */
export interface StudioSite {
  /** The built page. */
  readonly page: string;
  /** The package's networks, which are not in the page a second time. */
  readonly networks: string;
  /** Where onnxruntime-web is, which has the build for GPUs; absent where it is not installed. */
  readonly runtime: string | undefined;
  readonly runs: readonly StudioRun[];
}

export interface StudioServer {
  readonly url: string;
  close(): void;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.jsonl': 'text/plain; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.onnx': 'application/octet-stream',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
};

const HEADERS = {
  // Shared memory, and with it threads.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

/** @throws GlobalPercError when the port cannot be had. */
export async function serveStudio(site: StudioSite, port: number): Promise<StudioServer> {
  const server = createServer((request, response) => {
    answer(site, request, response).catch((error: unknown) => send(response, 500, '.txt', reasonOf(error)));
  });
  await listening(server, port);
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${taken}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listening(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'it is taken; name another' : reasonOf(error);
      reject(new GlobalPercError(`--port ${port}: ${reason}`, { code: 'io', cause: error }));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}

async function answer(site: StudioSite, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A page of another site could lead its own name to this address, and read what is served.
  if (!/^(localhost|127\.0\.0\.1)(:\d+)?$/.test(request.headers.host ?? ''))
    return send(response, 403, '.txt', 'localhost only');
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, '.txt', 'GET only');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const path = decoded(url.pathname);
  if (path === undefined) return send(response, 400, '.txt', 'not a path');
  if (path === '/runs.json') {
    return send(response, 200, '.json', JSON.stringify(await Promise.all(site.runs.map(describeRun))));
  }
  const [, index, name] = /^\/run\/(\d+)\/([^/]+)$/.exec(path) ?? [];
  const run = site.runs[Number(index)];
  if (run && name !== undefined) {
    if (!isShown(name)) return send(response, 404, '.txt', 'not shown');
    return sendFrom(response, join(run.folder, name), Number(url.searchParams.get('from') ?? 0));
  }
  const content = await contentOf(site, path === '/' ? '/index.html' : path);
  return content
    ? send(response, 200, extname(path) || '.html', content)
    : send(response, 404, '.txt', 'there is no such file');
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** A file of the page, or what stands in for it elsewhere; nothing outside of their folders. */
async function contentOf({ page, networks, runtime }: StudioSite, path: string): Promise<Uint8Array | undefined> {
  const network = /^\/assets\/([\w-]+\.onnx)$/.exec(path)?.[1];
  if (network !== undefined) return fileIn(networks, network);
  const library = /^\/assets\/(ort-wasm[\w.-]+)$/.exec(path)?.[1];
  return (await fileIn(page, path)) ?? (library && runtime ? fileIn(runtime, library) : undefined);
}

async function fileIn(folder: string, path: string): Promise<Uint8Array | undefined> {
  const real = await realpath(join(folder, path)).catch(() => undefined);
  if (real === undefined || !real.startsWith(`${await realpath(folder)}${sep}`)) return undefined;
  return (await stat(real)).isFile() ? readFile(real) : undefined;
}

/** The bytes of a file from some place on: a log is followed by its end. */
async function sendFrom(response: ServerResponse, path: string, from: number): Promise<void> {
  const file = await openForReading(path).catch(() => undefined);
  if (!file) return send(response, 404, '.txt', 'there is no such file');
  const start = Number.isSafeInteger(from) && from > 0 ? Math.min(from, file.length) : 0;
  // A run that goes on from a checkpoint has a shorter log: whoever follows it begins anew.
  send(response, 200, extname(path), file.read(start, file.length - start), { 'X-Size': String(file.length) });
}

function send(
  response: ServerResponse,
  status: number,
  ending: string,
  content: Uint8Array | string,
  more: Readonly<Record<string, string>> = {},
): void {
  const length = { 'Content-Length': String(Buffer.byteLength(content)) };
  const type = { 'Content-Type': TYPES[ending] ?? 'text/plain; charset=utf-8' };
  response.writeHead(status, { ...HEADERS, ...length, ...type, ...more });
  response.end(response.req.method === 'HEAD' ? undefined : content);
}
