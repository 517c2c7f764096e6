/** The entry for jax-js loads in a browser, jax-js included: it bundles without any module of Node's. */
import { expect, it } from 'vitest';
import { bundled } from '../../support/bundle.js';

it('bundles for browsers, without Node modules', async () => {
  const text = await bundled(new URL('../../../dist/adapters/jax/index.js', import.meta.url));
  expect(text).not.toMatch(/["']node:|worker_threads|(?:import\(|from) ?["']onnxruntime-node/);
  expect(text).toContain('valueAndGradWith');
});
