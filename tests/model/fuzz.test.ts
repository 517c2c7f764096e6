/** Damaged ONNX files, through the whole library. */
import { expect, it } from 'vitest';
import { loadModel } from '../../src/model/index.js';
import { fuzz, lossOf, sources } from '../support/fuzz.js';

it('loads damaged files or says what is wrong, without taking memory that the file does not have', async () => {
  const largest = Math.max(...sources.map(({ bytes }) => bytes.length));
  let most = 0;
  await fuzz(4000, 11, async (bytes) => {
    const before = process.memoryUsage().arrayBuffers;
    await loadModel(bytes).finally(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    });
  });
  expect(most).toBeLessThan(2 * largest);
});

it('differentiates damaged models or says what is wrong', () => fuzz(150, 12, lossOf));
