import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: {
      '#platform': fileURLToPath(new URL('./src/runtime/platform-node.ts', import.meta.url)),
      '#hub': fileURLToPath(new URL('./src/hub/node.ts', import.meta.url)),
    },
  },
  test: {
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/support/check-graphs.ts', 'tests/support/one-thread.ts'],
    exclude: ['tests/{browser,bundlers,package,slow,webgpu}/**'],
    // Programs that another run has compiled would hide what this one compiles.
    env: { GLOBALPERC_CACHE: 'off' },
    testTimeout: 60_000,
    maxWorkers: '100%',
  },
});
