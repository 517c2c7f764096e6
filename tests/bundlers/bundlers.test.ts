/**
 * The installed package in the hands of its users: the page of examples/vite, built by each bundler, in real Chromium gives what
 * Node gives; and the README's scripts run in Node, Bun and Deno.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../browser/site.js';
import { BLOCKS } from '../docs/documents.js';
import { putModelAndPhotos, shorter } from '../docs/stand-ins.js';
import { relativeError } from '../support/run.js';
import { Consumer, HAS_RUNTIMES, ROOT, type Served, type ServeOptions } from './consumer.js';
import { blocksUnder } from './recipe.js';

let consumer: Consumer;
let browser: Browser;
/** What the page computes, in Node. */
let expected: { value: number; gradNorm: number };
const served: Served[] = [];

beforeAll(async () => {
  consumer = await Consumer.install();
  browser = await openBrowser();
  await consumer.app('node');
  await consumer.withoutTypes('node');
  const script = "import('./compare.js').then(async ({ compare }) => console.log(JSON.stringify(await compare())))";
  expected = JSON.parse(await consumer.runIn('node', `node -e "${script}"`));
});

afterAll(async () => {
  for (const server of served) server.close();
  await browser?.close();
  await consumer?.remove();
});

/** What a page shows once it has computed, what it warned of, and whether it did so in a worker. */
async function visit(url: string): Promise<{ text: string; warnings: string[]; workers: number }> {
  const page = await browser.newPage();
  page.setDefaultTimeout(150_000);
  const warnings: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  await page.goto(url);
  await page.waitForFunction(() => !/^(computing …)?$/.test(document.querySelector('output')?.textContent ?? ''));
  const text = (await page.textContent('output')) as string;
  const workers = page.workers().length;
  await page.close();
  return { text, warnings, workers };
}

/** Serves an app of the consumer and visits it. */
async function visitServed(server: Promise<Served>, path = '/'): ReturnType<typeof visit> {
  const { url, close } = await server;
  served.push({ url, close });
  return visit(url + path);
}

function expectLoss(text: string): void {
  expect(text).toMatch(/^\{/);
  const { value, gradNorm } = JSON.parse(text);
  expect(relativeError([value], [expected.value])).toBeLessThan(1e-5);
  expect(relativeError([gradNorm], [expected.gradNorm])).toBeLessThan(1e-4);
}

interface App {
  /** What the app has beside the page of examples/vite. */
  readonly own?: string;
  readonly types?: false;
  readonly build?: string;
  readonly serve: (app: string) => Promise<Served>;
  readonly path?: string;
}

const APPS: Readonly<Record<string, App>> = {
  'vite (dev)': { serve: (app) => consumer.serveBy(app, 'vite') },
  'vite (build)': { build: 'vite build', serve: (app) => consumer.serveBy(app, 'vite preview') },
  webpack: {
    own: 'tests/bundlers/webpack',
    types: false,
    build: 'webpack && cp index.html dist/',
    serve: (app) => consumer.serve(`${app}/dist`),
  },
  next: {
    own: 'tests/bundlers/next',
    build: 'next build',
    serve: (app) => consumer.serveBy(app, 'next start --port 0'),
  },
  'import map': {
    own: 'tests/bundlers/import-map',
    types: false,
    serve: () => consumer.serve('.'),
    path: '/import-map/',
  },
};

it.each(Object.entries(APPS))('%s', async (name, { own, types, build, serve, path }) => {
  const app = name.replaceAll(/\W+/g, '-');
  await consumer.app(app, own === undefined ? [] : [own]);
  if (types === false) await consumer.withoutTypes(app);
  if (build) await consumer.runIn(app, build);
  const { text, warnings, workers } = await visitServed(serve(app), path);
  expectLoss(text);
  expect(ofOurs(warnings)).toEqual([]);
  expect(workers).toBe(1);
});

const ofOurs = (warnings: readonly string[]): string[] => warnings.filter((warning) => warning.includes('globalperc'));

it('the import map of the documentation is the one that was tried', () => {
  const maps = [blocksUnder('Import map')[0], readFileSync(`${ROOT}tests/bundlers/import-map/index.html`, 'utf8')];
  const [documented, tried] = maps.map((text) =>
    JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(text ?? '')?.[1] ?? ''),
  );
  expect(documented).toEqual(tried);
});

describe('esbuild', () => {
  const [commands = '', assets = ''] = blocksUnder('esbuild');
  const [main = '', worker = '', wasm = ''] = commands.split('\n');

  /** Builds the page by some of the documented commands, and visits it. */
  async function visitBuilt(app: string, build: readonly string[], options?: ServeOptions): ReturnType<typeof visit> {
    await consumer.app(app);
    await consumer.runIn(
      app,
      ['ln -s ../node_modules', 'mkdir dist', 'sed s/main.ts/main.js/ index.html > dist/index.html', ...build].join(
        '\n',
      ),
    );
    return visitServed(consumer.serve(`${app}/dist`, options));
  }

  it('by the whole recipe', async () => {
    const { text, warnings, workers } = await visitBuilt('esbuild', [main, worker, wasm, assets]);
    expectLoss(text);
    expect(ofOurs(warnings)).toEqual([]);
    expect(workers).toBe(1);
  });

  it('without the worker, says so once and computes all the same', async () => {
    const { text, warnings, workers } = await visitBuilt('no-worker', [main, wasm, assets]);
    expectLoss(text);
    expect(ofOurs(warnings)).toEqual([
      expect.stringMatching(
        /^globalperc: its worker .* not found at http:\/\/127\.0\.0\.1:\d+\/web-worker\.mjs: bundle it to there .*docs\/bundlers\.md.* blocks it meanwhile$/,
      ),
    ]);
    expect(workers).toBe(0);
  });

  it.each([
    ['that says so', {}, '(HTTP 404)'],
    ['that sends its page instead', { fallback: true }, '(the server sends a page instead)'],
  ] as const)('without the WebAssembly, from a server %s, names the file', async (_, options, reason) => {
    for (const build of [
      [main, assets],
      [main, worker, assets],
    ]) {
      const app = `no-wasm-${build.length}${'fallback' in options ? '-fallback' : ''}`;
      const { text } = await visitBuilt(app, build, options);
      expect(text).toMatch(
        /^GlobalPercError: ONNX Runtime Web does not start, because http:\S+\/ort-wasm-simd-threaded[.\w]*\.wasm is missing /,
      );
      expect(text).toContain(`${reason}: it is in node_modules/onnxruntime-web/dist: serve it at that address`);
    }
  });

  it.each([
    ['that says so', {}, 'HTTP 404'],
    ['that sends its page instead', { fallback: true }, 'the server sends a page (text/html) instead'],
  ] as const)('without the networks, from a server %s, names the file', async (_, options, reason) => {
    const { text } = await visitBuilt(
      `no-assets${'fallback' in options ? '-fallback' : ''}`,
      [main, worker, wasm],
      options,
    );
    expect(text).toMatch(/^GlobalPercError: cannot fetch 'http:\S+\/assets\/lpips-alex\.onnx': /);
    expect(text).toContain(`: ${reason}; it is in node_modules/globalperc/assets: serve it at that address`);
  });
});

/** Programs of the consumer's that run a script. */
const RUNTIMES = {
  'Node 20, or what runs these tests': 'node',
  'Node 22': '../node_modules/node22/bin/node',
  'Node 24': '../node_modules/node24/bin/node',
  Bun: '../node_modules/@oven/bun-linux-x64/bin/bun',
  Deno: '../node_modules/@deno/linux-x64-glibc/deno run --allow-all --node-modules-dir=manual --no-check',
};

describe.runIf(HAS_RUNTIMES)("the README's scripts in", () => {
  const [once = '', training = ''] = BLOCKS.filter(
    ({ document, language }) => document === 'README.md' && language === 'ts',
  ).map(({ code }) => shorter(code));
  /** What the script of each runtime prints at its end. */
  const losses = new Map<string, string>();

  it.each(Object.entries(RUNTIMES))('%s', async (name, program) => {
    const app = `runtime-${losses.size}`;
    await consumer.app(app);
    await putModelAndPhotos(join(consumer.folder, app));
    const scripts = { once, training: training.replace('if (step ===', 'console.log(loss);\n  if (step ===') };
    for (const [script, code] of Object.entries(scripts))
      await writeFile(join(consumer.folder, app, `${script}.mjs`), code);
    await consumer.runIn(app, `${program} once.mjs`);
    losses.set(name, (await consumer.runIn(app, `${program} training.mjs`)).split('\n').at(-2) ?? '');
    expect(Number(losses.get(name))).toBeGreaterThan(0);
    // Weights, batches and steps are the same everywhere.
    expect(Number(losses.get(name))).toBeCloseTo(Number([...losses.values()][0]), 5);
  });
});
