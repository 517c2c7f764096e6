import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The packages as their users install them: `npm run test:package`, for which the npm registry must be in reach. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['tests/package/**/*.test.ts'],
    exclude: [],
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
