/** The core entry must load in a browser: it bundles without any module of Node's. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('the core entry bundles for browsers, without Node modules and within its size', async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: [fileURLToPath(new URL('../dist/index.js', import.meta.url))],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    external: ['onnxruntime-web'],
    write: false,
    // Not this project's tsconfig: its paths send #platform to Node.
    tsconfigRaw: '{}',
  });
  expect(warnings).toEqual([]);
  const text = outputFiles[0]?.text ?? '';
  expect(text).not.toMatch(/worker_threads|onnxruntime-node/);
  expect(text.length).toBeLessThan(320_000);
});
