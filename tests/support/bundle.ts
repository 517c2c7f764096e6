/** What a browser would load. */
import { fileURLToPath } from 'node:url';
import { type BuildResult, build } from 'esbuild';
import { expect } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The text of a file and of all it uses, bundled without a warning. */
export async function bundled(entry: URL): Promise<string> {
  const { outputFiles } = await bundle({ entryPoints: [fileURLToPath(entry)] });
  return outputFiles.map(({ text }) => text).join('\n');
}

/** What source code that imports the package by name loads before it runs: without what it may import later. */
export async function loadedFirst(contents: string): Promise<string> {
  const { outputFiles, metafile } = await bundle({ stdin: { contents, resolveDir: ROOT } });
  const named = ([name]: [string, unknown]): boolean => name.endsWith('stdin.js');
  const entry = Object.entries(metafile.outputs).find(named)?.[0] as string;
  const loaded = new Set([entry]);
  for (const name of loaded) {
    const imports = metafile.outputs[name]?.imports ?? [];
    for (const { path, kind, external } of imports) if (kind === 'import-statement' && !external) loaded.add(path);
  }
  const names = [...loaded].map((name) => `/${name.split('/').at(-1)}`);
  return outputFiles.flatMap(({ path, text }) => (names.some((name) => path.endsWith(name)) ? [text] : [])).join('\n');
}

async function bundle(
  input: Pick<Parameters<typeof build>[0], 'entryPoints' | 'stdin'>,
): Promise<BuildResult<{ write: false; metafile: true }>> {
  const result = await build({
    ...input,
    bundle: true,
    minify: true,
    splitting: true,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    external: ['onnxruntime-web'],
    outdir: '/bundle',
    write: false,
    // Not this project's tsconfig: its paths send #platform and #hub to Node.
    tsconfigRaw: '{}',
  } as const);
  expect(result.warnings).toEqual([]);
  return result;
}
