/** An image that a model leaves nothing of: which operator that is, and the smallest size that passes all of them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { constantOf, int, ints, type Tensor } from '../../src/graph/index.js';
import { recoverModules } from '../../src/modules/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { specialize } from '../../src/passes/index.js';
import { runSteps } from '../../src/runtime/index.js';

/** The error for an image of some shape, or 'runs'. */
async function outcome(build: (x: Tensor) => Tensor, shape: number[], size = 64): Promise<string> {
  const graph = createGraph();
  const x = graph.input(
    'image',
    'float32',
    shape.map((_, i) => (i < 2 ? (shape[i] as number) : size)),
  );
  const y = build(x);
  const types = new Map([[x.value, { dtype: 'float32', shape } as const]]);
  return runSteps(specialize(graph, types, [y.value])).then(
    () => 'runs',
    (error: Error) => error.message,
  );
}

const weights = (x: Tensor, ...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b);
  return x.graph.constant(constantOf('float32', shape, new Float32Array(size).fill(0.1)));
};
const conv = (x: Tensor, kernel: number, stride: number, module: string): Tensor =>
  x.graph.emit(
    'Conv',
    [x, weights(x, 2, x.dim(1), ...x.shape.slice(2).map(() => kernel))],
    { strides: ints(x.shape.slice(2).map(() => stride)) },
    { name: `/${module}/Conv`, modulePath: module },
  )[0] as Tensor;
const pool = (x: Tensor, kernel: number, module: string, ceil = 0): Tensor => {
  const sizes = ints([kernel, kernel]);
  const attributes = { kernel_shape: sizes, strides: sizes, ceil_mode: int(ceil) };
  return x.graph.emit('MaxPool', [x], attributes, { name: `/${module}/MaxPool`, modulePath: module })[0] as Tensor;
};
const halves = (x: Tensor): Tensor => pool(pool(conv(x, 3, 2, 'stem'), 2, 'first'), 2, 'second');

describe('an image too small for the model', () => {
  it('names the operator, what would be left, and the smallest size, with which the model runs', async () => {
    expect(await outcome(halves, [1, 3, 8, 8])).toBe(
      "the image [1,3,8,8] is too small for MaxPool '/second/MaxPool' in module 'second': its output would be 0 x 0; " +
        'the smallest size is 9 x 9',
    );
    expect(await outcome(halves, [1, 3, 9, 9])).toBe('runs');
    expect(await outcome((x) => conv(halves(x), 1, 1, 'head'), [1, 3, 8, 8])).toMatch(
      /too small for MaxPool '\/second/,
    );
  });

  it('tells each axis apart', async () => {
    expect(await outcome(halves, [2, 3, 30, 4])).toMatch(
      /\[2,3,30,4\] is too small for MaxPool '\/first\/MaxPool' .*: its output would be 7 x 0; the smallest size is 9 x 9/,
    );
  });

  it('knows windows that may hang over', async () => {
    const rounding = (x: Tensor): Tensor => pool(pool(conv(x, 3, 2, 'stem'), 2, 'first', 1), 2, 'second', 1);
    expect(await outcome(rounding, [1, 3, 3, 3])).toBe('runs');
    expect(await outcome(rounding, [1, 3, 2, 9])).toMatch(/Conv '\/stem\/Conv' .* 0 x 4; the smallest size is 3 x 3$/);
  });

  it('counts what follows: sizes have to be a multiple where branches meet', async () => {
    const branches = (x: Tensor): Tensor => {
      const scales = x.graph.constant(constantOf('float32', [4], [1, 1, 4, 4]));
      const [enlarged] = x.graph.emit('Resize', [conv(x, 4, 2, 'down'), undefined, scales]) as [Tensor];
      return enlarged.add(conv(x, 2, 1, 'beside'));
    };
    // 4 is left of 4 x 4 as well, but beside 3.
    expect(await outcome(branches, [1, 3, 3, 8], 5)).toMatch(
      /Conv '\/down\/Conv' .* 0 x 3; the smallest size is 5 x 5$/,
    );
    expect(await outcome(branches, [1, 3, 5, 5], 5)).toBe('runs');
  });

  it('knows signals', async () => {
    expect(await outcome((x) => conv(x, 5, 2, 'stem'), [1, 1, 4])).toMatch(
      /^the input \[1,1,4\] is too small for Conv '\/stem\/Conv' in module 'stem': its output would be 0; the smallest size is 5$/,
    );
  });

  it('knows slices that leave nothing', async () => {
    const cropped = (x: Tensor): Tensor => pool(x.slice([2], [4], [64]), 2, 'pool');
    expect(await outcome(cropped, [1, 3, 4, 9])).toMatch(/too small for Slice .* 0 x 9; the smallest size is 6 x 2$/);
  });

  it('knows reflections', async () => {
    const padded = (x: Tensor): Tensor => {
      const pads = x.graph.ints([0, 0, 3, 1, 0, 0, 2, 1]);
      const attributes = { mode: { kind: 'string', value: 'reflect' } } as const;
      return x.graph.emit('Pad', [x, pads], attributes, { modulePath: 'pad' })[0] as Tensor;
    };
    expect(await outcome(padded, [1, 3, 3, 9])).toMatch(
      /too small for Pad .* in module 'pad': it reflects 3 elements beside the last of 3; the smallest size is 4 x 2$/,
    );
    expect(await outcome(padded, [1, 3, 4, 2])).toBe('runs');
  });

  it('is not blamed for what no size puts right', async () => {
    const wrong = (x: Tensor): Tensor => {
      const y = pool(x, 2, 'pool');
      return y.graph.emit(
        'MatMul',
        [y, weights(y, 5, 5)],
        {},
        { types: [{ dtype: 'float32', shape: [1] }] },
      )[0] as Tensor;
    };
    expect(await outcome(wrong, [1, 3, 8, 8])).toMatch(/^the model does not run on an input of shape \[1,3,8,8\]/);
  });

  it('is told of an image for which no size is found that passes all', async () => {
    const wrong = (x: Tensor): Tensor => {
      const y = pool(x, 2, 'pool');
      const types = [{ dtype: 'float32', shape: [1, 3, 4, 8] }] as const;
      const [product] = y.graph.emit('MatMul', [y, weights(y, 5, 7)], {}, { types }) as [Tensor];
      return product.matmul(weights(y, 8, 8));
    };
    expect(await outcome(wrong, [1, 3, 1, 10])).toMatch(/too small for MaxPool .* 0 x 5; take a larger one$/);
  });

  it('is told for a real model', async () => {
    const bytes = readFileSync(new URL('../../examples/squeezenet1_1.onnx', import.meta.url));
    const graph = await readOnnx(createGraph(), new Uint8Array(bytes), { source: 'squeezenet' });
    recoverModules(graph);
    const [input] = graph.inputs;
    const run = (size: number) =>
      runSteps(
        specialize(
          graph,
          new Map([[input as NonNullable<typeof input>, { dtype: 'float32', shape: [1, 3, size, size] }]]),
          graph.outputs,
        ),
      );
    await expect(run(16)).rejects.toThrow(
      "the image [1,3,16,16] is too small for MaxPool '/features/features.8/MaxPool' in module 'features.8': " +
        'its output would be 0 x 0; the smallest size is 17 x 17',
    );
    expect((await run(17)).graph.nodes.length).toBeGreaterThan(60);
  });
});
