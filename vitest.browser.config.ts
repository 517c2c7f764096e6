import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests that need Chromium: `npm run test:browser`. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['tests/browser/**/*.test.ts'],
    exclude: [],
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
