import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The software adapter that comes with Debian's chromium. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * The tests of ONNX Runtime's WebGPU provider in Node: `npm run test:webgpu`. On the GPU that Vulkan finds, or where VK_DRIVER_FILES
 * says; on the software adapter where that is there and nothing is said.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['tests/webgpu/**/*.test.ts'],
    exclude: [],
    env: {
      ...base.test?.env,
      ...(existsSync(SWIFTSHADER) && !process.env.VK_DRIVER_FILES && { VK_DRIVER_FILES: SWIFTSHADER }),
    },
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
  },
});
