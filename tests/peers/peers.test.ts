/** Optional packages: what is said when one is absent, or there and broken. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadPeer, type Peer, peerError } from '../../src/peers/index.js';

const DIST = new URL('../../dist/peers/index.js', import.meta.url).href;
const ABSENT = 'reading or writing pictures needs the package sharp, which is not installed: npm install sharp';

describe('in Node', () => {
  /** Imports sharp in a folder of its own, in which it is made of these files. */
  function importing(files: Readonly<Record<string, string>>, load = "() => import('sharp')"): string {
    const folder = mkdtempSync(join(tmpdir(), 'globalperc-peers-'));
    try {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(join(folder, 'node_modules', 'sharp'), { recursive: true });
        writeFileSync(join(folder, 'node_modules', 'sharp', name), content);
      }
      const script = `
        import { createRequire } from 'node:module';
        import { loadPeer } from '${DIST}';
        const require = createRequire(import.meta.url);
        console.log(await loadPeer('sharp', ${load}).then((found) => found.default ?? found, ({ message }) => message));
      `;
      writeFileSync(join(folder, 'script.mjs'), script);
      return spawnSync('node', [join(folder, 'script.mjs')], { encoding: 'utf8' }).stdout.trim();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it.each([
    ['a package that is there', { 'index.js': 'module.exports = 5' }, '5'],
    ['a package that is not there', {}, ABSENT],
    [
      'one that lacks another',
      { 'index.js': "require('detect-libc')" },
      /^reading or writing pictures needs the package sharp, which cannot be loaded: Cannot find module 'detect-libc' .*; if it is damaged, remove it and npm install sharp$/,
    ],
    [
      'one that lacks a module of its own',
      { 'package.json': '{ "type": "module", "exports": "./index.js" }', 'index.js': "import './sharp.js'" },
      /which cannot be loaded: Cannot find module '.*sharp\.js' imported from/,
    ],
    ['one that throws', { 'index.js': "throw new Error('no binary')" }, /which cannot be loaded: no binary; /],
  ])('%s', (_what, files, expected) => {
    expect(importing(files)).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  it('a file of a package that is not there', () => {
    expect(importing({}, "() => require.resolve('sharp/package.json')")).toBe(ABSENT);
  });
});

it.each([
  ['Chromium', 'onnxruntime-web', `Failed to resolve module specifier 'onnxruntime-web'`],
  ['Chromium, part', 'onnxruntime-web', `Failed to resolve module specifier 'onnxruntime-web/wasm'`],
  [
    'Firefox',
    'onnxruntime-web',
    'The specifier “onnxruntime-web” was a bare specifier, but was not remapped to anything.',
  ],
  ['Safari', 'onnxruntime-web', `Module name, 'onnxruntime-web' does not resolve to a valid URL.`],
  ['Vite', 'onnxruntime-web', 'Could not resolve "onnxruntime-web" imported by "globalperc". Is it installed?'],
  ['Bun', 'onnxruntime-web', `Cannot find package 'onnxruntime-web' from '/app/node_modules/globalperc/dist/index.js'`],
] as const)('an absence as %s tells it', (_where, name: Peer, message) => {
  expect(peerError(name, new TypeError(message)).message).toBe(
    `computing in a browser needs the package ${name}, which is not installed: npm install ${name}`,
  );
});

it.each([
  ['another of the same beginning', `Cannot find package 'sharp-phash' imported from /app/index.js`],
  ['a file', `Failed to fetch dynamically imported module: https://example.org/sharp.js`],
])('not an absence: %s', (_what, message) => {
  expect(peerError('sharp', new Error(message)).message).toContain(`cannot be loaded: ${message}`);
});

describe('what the packages say of each other', () => {
  const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
  const library = read('package.json');
  const cli = read('packages/cli/package.json');
  /** What the command line has no use for. */
  const others = ['@jax-js/jax', '@tensorflow/tfjs', 'onnxruntime-web'];

  it('every optional package is known here, and nothing else', () => {
    const names = Object.keys(library.peerDependencies);
    expect(Object.keys(library.peerDependenciesMeta)).toEqual(names);
    const known = names.filter((name) => !/tfjs|jax/.test(name));
    for (const name of known) expect(peerError(name as Peer, '').code).toBe('runtime');
    expect(known.length).toBe(18);
  });

  it('globalperc-cli has what the command line needs, in the same ranges', () => {
    const wanted = Object.entries(library.peerDependencies).filter(([name]) => !others.includes(name));
    expect({ ...cli.dependencies, ...cli.optionalDependencies }).toEqual({
      ...Object.fromEntries(wanted),
      globalperc: library.version,
    });
    expect(cli.version).toBe(library.version);
  });
});

it('the error is one of a runtime, and has the cause', async () => {
  const cause = new Error(`Cannot find package 'jiti' imported from ${fileURLToPath(import.meta.url)}`);
  const load = () => Promise.reject(cause);
  await expect(loadPeer('jiti', load)).rejects.toMatchObject({
    name: 'GlobalPercError',
    code: 'runtime',
    message: 'the command globalperc needs the package jiti, which is not installed: npm install globalperc-cli',
    cause,
  });
});
