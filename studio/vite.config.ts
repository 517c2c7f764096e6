import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defaultClientConditions, defineConfig, type Plugin } from 'vite';
import { PHOTOS, writePhotos } from './photos.mjs';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** ONNX Runtime's WebAssembly is not bundled, but looked for beside the scripts: the small build, and the one that reaches a GPU. */
const RUNTIME = ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];
const GPU_RUNTIME = ['ort-wasm-simd-threaded.asyncify.mjs', 'ort-wasm-simd-threaded.asyncify.wasm'];

/**
 * What the package has already is not put into the page a second time: `globalperc studio` serves `assets/` of the package where the
 * page asks for it, and the build for GPUs where onnxruntime-web is installed. A site that is hosted elsewhere (`--mode site`) has
 * everything.
 */
const shared = (site: boolean): Plugin => ({
  name: 'shared-with-the-package',
  apply: 'build',
  generateBundle(_, bundle) {
    for (const name of Object.keys(bundle)) if (!site && name.endsWith('.onnx')) delete bundle[name];
  },
  async writeBundle({ dir }) {
    const assets = `${dir}/assets`;
    mkdirSync(assets, { recursive: true });
    for (const name of site ? [...RUNTIME, ...GPU_RUNTIME] : RUNTIME)
      copyFileSync(path(`../node_modules/onnxruntime-web/dist/${name}`), `${assets}/${name}`);
    await writePhotos(`${dir}/${PHOTOS}`);
  },
});

export default defineConfig(({ mode }) => ({
  root: path('.'),
  // Relative: the page works in any folder of any server.
  base: './',
  build: {
    outDir: path(mode === 'site' ? '../site' : '../dist/studio'),
    emptyOutDir: true,
    license: { fileName: 'licenses.md' },
    target: 'es2022',
    rolldownOptions: {
      checks: { pluginTimings: false, ineffectiveDynamicImport: false },
      output: {
        // Messages and logs name classes.
        keepNames: true,
        // Networks without a hash: the command knows them by their names.
        assetFileNames: ({ names }) =>
          names[0]?.endsWith('.onnx') ? 'assets/[name][extname]' : 'assets/[name]-[hash][extname]',
      },
    },
    chunkSizeWarningLimit: 1000,
  },
  worker: { format: 'es', rolldownOptions: { output: { keepNames: true } } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: {
    // The runtime looks for its WebAssembly beside itself, which a worker of its threads can do, too.
    conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions],
    alias: [
      { find: /^globalperc$/, replacement: path('../dist/index.js') },
      { find: /^globalperc\/data$/, replacement: path('../dist/data/browser.js') },
    ],
  },
  plugins: [shared(mode === 'site')],
}));
