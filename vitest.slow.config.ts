import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests that take long, one after the other and on all cores, since some measure time and memory: `npm run test:slow`. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['tests/slow/**/*.test.ts'],
    exclude: [],
    setupFiles: ['tests/support/check-graphs.ts'],
    maxWorkers: 1,
  },
});
