import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The package in the pages that bundlers make, one after the other: `npm run test:bundlers`. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['tests/bundlers/**/*.test.ts'],
    exclude: [],
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
