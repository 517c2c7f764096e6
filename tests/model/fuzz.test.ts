/** Damaged ONNX files, through the whole library. */
import { expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { fuzz, lossOf } from '../support/fuzz.js';

/** Bytes that a file may take beside twice its own: buffers of other work come and go meanwhile. */
const FLOOR = 1 << 16;

it('loads damaged files or says what is wrong, without taking memory that the file does not have', () =>
  fuzz(4000, 11, async (bytes) => {
    const before = process.memoryUsage().arrayBuffers;
    let taken = 0;
    await loadModel(bytes)
      .finally(() => {
        taken = process.memoryUsage().arrayBuffers - before;
      })
      .catch((error: unknown) => {
        if (!(error instanceof GlobalPercError)) throw error;
      });
    expect(taken).toBeLessThanOrEqual(2 * bytes.length + FLOOR);
  }));

it('differentiates damaged models or says what is wrong', () => fuzz(150, 12, lossOf));
