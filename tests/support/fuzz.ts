/** What must hold for every damaged model: it works, or one of our errors says what is wrong. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { type Mutation, mutation } from './mutate.js';

const SHAPES = {
  vgg: [1, 3, 32, 32],
  mobilenet: [1, 3, 32, 32],
  unet: [1, 3, 16, 20],
  sampler: [1, 3, 22, 26],
  swin: [1, 3, 32, 48],
  vit: [1, 3, 42, 56],
};

interface Source {
  readonly bytes: Uint8Array;
  readonly shape: readonly number[];
}

/** Models of both exporters. */
export const sources: readonly Source[] = Object.entries(SHAPES).flatMap(([name, shape]) =>
  ['torchscript', 'dynamo'].map((style) => ({
    bytes: new Uint8Array(readFileSync(new URL(`../../fixtures/data/models/${name}.${style}.onnx`, import.meta.url))),
    shape,
  })),
);

/** Milliseconds that one file may take: what takes longer hangs. */
export const PATIENCE = 20_000;

/** Runs a check on damaged models; anything but a GlobalPercError fails it, and a file that takes too long. */
export async function fuzz(runs: number, seed: number, check: (bytes: Uint8Array, source: Source) => Promise<unknown>) {
  const property = fc.asyncProperty(fc.constantFrom(...sources), mutation, async (source, mutate: Mutation) => {
    const started = performance.now();
    const error = await check(mutate(source.bytes), source).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error !== undefined) expect(error, (error as Error).stack).toBeInstanceOf(GlobalPercError);
    expect(performance.now() - started).toBeLessThan(PATIENCE);
  });
  await fc.assert(property, { numRuns: runs, seed });
}

/** Bytes that a file may take beside twice its own: buffers of other work come and go meanwhile. */
const FLOOR = 1 << 16;

/** Loads a model, in memory that its file accounts for. */
export async function loadOf(bytes: Uint8Array): Promise<void> {
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
}

/** Loads a model and differentiates a loss over all its modules. */
export async function lossOf(bytes: Uint8Array, { shape }: Source): Promise<void> {
  const config = new GlobalPercConfig({ printData: false, logger: () => undefined });
  const loss = new GlobalPercLoss(await loadModel(bytes), config);
  const size = shape.reduce((product, dim) => product * dim, 1);
  const image = (phase: number) => ({
    dims: shape,
    data: Float32Array.from({ length: size }, (_, i) => Math.sin(i + phase)),
  });
  try {
    await loss.valueAndGrad(image(0), image(1));
  } finally {
    await loss.dispose();
  }
}
