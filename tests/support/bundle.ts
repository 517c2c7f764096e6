/** What a browser would load. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect } from 'vitest';

/** The text of a module and all it imports, bundled without a warning. */
export async function bundled(entry: URL): Promise<string> {
  const { outputFiles, warnings } = await build({
    entryPoints: [fileURLToPath(entry)],
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
