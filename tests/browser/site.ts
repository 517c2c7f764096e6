/** The scenarios as a web site on this machine, and Chromium to visit it. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Bundled, each to a file of its own; the last two are the workers that ONNX Runtime runs in. */
const ENTRIES = [
  'tests/browser/page.mjs',
  'tests/browser/worker.mjs',
  'dist/runtime/web-worker.mjs',
  'dist/runtime/web-worker-webgpu.mjs',
];

const TYPES: Readonly<Record<string, string>> = {
  '.mjs': 'text/javascript',
  '.onnx': 'application/octet-stream',
  '.wasm': 'application/wasm',
};

/** Gives a page the shared memory that synchronous calls need. */
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export interface Site {
  readonly url: string;
  close(): void;
}

let bundled: ReturnType<typeof bundles> | undefined;

async function bundles(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: ENTRIES.map((entry) => ROOT + entry),
    entryNames: '[name]',
    outExtension: { '.js': '.mjs' },
    outdir: '/',
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    tsconfigRaw: '{}',
  });
  return new Map(outputFiles.map(({ path, contents }) => [path, contents]));
}

/** What is served: the bundles, the package's networks, and ONNX Runtime's own files. */
async function contentsOf(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Uint8Array | string | undefined> {
  if (path === '/') return '<!doctype html><title>globalperc</title><script type="module" src="/page.mjs"></script>';
  if (/^\/assets\/[\w-]+\.onnx$/.test(path)) return readFile(ROOT + path.slice(1));
  if (/^\/ort-wasm[\w.-]+$/.test(path)) return readFile(`${ROOT}node_modules/onnxruntime-web/dist${path}`);
  return files.get(path);
}

/** How a site is served. */
export interface SiteOptions {
  /** With the headers that give its pages shared memory; default true. */
  readonly isolated?: boolean;
  /** With the worker that runs ONNX Runtime, as a bundler that knows workers would; default true. */
  readonly worker?: boolean;
}

export async function serve({ isolated = true, worker = true }: SiteOptions = {}): Promise<Site> {
  bundled ??= bundles();
  const files = new Map(await bundled);
  if (!worker) files.delete('/web-worker.mjs');
  const server = createServer(async ({ url = '/' }, response) => {
    const contents = await contentsOf(url, files).catch(() => undefined);
    const type = TYPES[extname(url)] ?? 'text/html';
    response.writeHead(contents === undefined ? 404 : 200, { 'Content-Type': type, ...(isolated && ISOLATION) });
    response.end(contents);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => void server.close() };
}

/** WebGPU on a software adapter. */
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** The system's Chromium, or the one that the environment variable CHROMIUM names. */
export function openBrowser({ webgpu = false } = {}): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim();
  return chromium.launch({ executablePath, args: ['--no-sandbox', ...(webgpu ? WEBGPU : [])] });
}

/** A page, once its scripts have run. */
export async function visit(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(url);
  await page.waitForFunction('globalThis.onMainThread');
  return page;
}
