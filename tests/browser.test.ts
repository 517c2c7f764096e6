/** The core entry must load in a browser: it bundles without any module of Node's. */
import { expect, it } from 'vitest';
import { bundled } from './support/bundle.js';

it('the core entry bundles for browsers, without Node modules and within its size', async () => {
  const text = await bundled(new URL('../dist/index.js', import.meta.url));
  expect(text).not.toMatch(/worker_threads|onnxruntime-node/);
  expect(text.length).toBeLessThan(320_000);
});
