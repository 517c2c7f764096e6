import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests that take long: `npm run test:slow`. */
export default defineConfig({ ...base, test: { ...base.test, include: ['tests/slow/**/*.test.ts'], exclude: [] } });
