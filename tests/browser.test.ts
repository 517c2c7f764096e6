/** The core entry must load in a browser, and a script must load little beyond what it uses. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bundled, loadedFirst } from './support/bundle.js';

it.each(['index', 'diffusion/browser'])('the entry %s bundles for browsers, without Node modules', async (entry) => {
  const text = await bundled(new URL(`../dist/${entry}.js`, import.meta.url));
  expect(text).not.toMatch(/worker_threads|(?:import\(|from) ?["']onnxruntime-node/);
});

it("the README's first script loads less than 496 kB", async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const script = /```ts\n(import .*? from 'globalperc';.*?)```/s.exec(readme)?.[1] as string;
  const text = await loadedFirst(script);
  expect(text).toContain('Normalize');
  expect(text.length).toBeLessThan(496_000);
});
