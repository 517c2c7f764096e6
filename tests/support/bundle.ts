/** What a browser would load. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect } from 'vitest';

/** The text of a module – a file, or source code that imports the package by name – and of all it uses, bundled without a warning. */
export async function bundled(entry: URL | string): Promise<string> {
  const { outputFiles, warnings } = await build({
    ...(typeof entry === 'string'
      ? { stdin: { contents: entry, resolveDir: fileURLToPath(new URL('../..', import.meta.url)) } }
      : { entryPoints: [fileURLToPath(entry)] }),
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    external: ['onnxruntime-web'],
    write: false,
    // Not this project's tsconfig: its paths send #platform and #hub to Node.
    tsconfigRaw: '{}',
  });
  expect(warnings).toEqual([]);
  return outputFiles[0]?.text ?? '';
}
