/** The entry for TensorFlow.js loads in a browser, TensorFlow.js included: it bundles without any module of Node's. */
import { expect, it } from 'vitest';
import { bundled } from '../../support/bundle.js';

it('bundles for browsers, without Node modules', async () => {
  const text = await bundled(new URL('../../../dist/adapters/tfjs/index.js', import.meta.url));
  expect(text).not.toMatch(/["']node:|worker_threads|(?:import\(|from) ?["']onnxruntime-node/);
  expect(text).toContain('tfStep');
});
