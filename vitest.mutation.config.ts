import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests of the rooms that are mutated: what a room's own tests do not notice does not count as tested. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['graph', 'autodiff', 'passes', 'compile', 'loss', 'runtime', 'optim', 'train'].map(
      (room) => `tests/${room}/**/*.test.ts`,
    ),
  },
});
