/** Weights that are no numbers are told at load; masks, limits and chosen branches may hold what they like. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { constantOf } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { floatTensor, input, modelBytes, type NodeSpec, tensor } from '../onnx/build.js';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const name = 'blocks.0.fc.weight';

/** A model of one node that reads the image [1, 2] and a weight [2, 2] of which one element is `bad`. */
const modelOf = (bad: number, ...nodes: NodeSpec[]) =>
  modelBytes({ inputs: [input('x', [1, 2])], nodes, initializers: [floatTensor(name, [2, 2], [1, 2, bad, 3])] });

const MATMUL: NodeSpec = ['MatMul', ['x', name], ['y']];
const MOVED: NodeSpec[] = [
  ['Transpose', [name], ['moved'], { perm: [1, 0] }],
  ['MatMul', ['x', 'moved'], ['y']],
];
const ADDED_FIRST: NodeSpec[] = [
  ['Add', ['x', name], ['sum']],
  ['MatMul', ['sum', name], ['y']],
];
const CHOSEN: NodeSpec[] = [
  ['IsNaN', ['x'], ['condition']],
  ['Where', ['condition', name, 'x'], ['y']],
];

describe('a model is refused', () => {
  it.each<[string, number, NodeSpec[], RegExp]>([
    ['NaN in a matrix', nan, [MATMUL], /the weight 'blocks\.0\.fc\.weight'.* holds NaN \(1 of its 4 values\)/],
    ['infinity in a matrix', infinity, [MATMUL], /holds Infinity \(1 of its 4 values\)/],
    ['infinity in a matrix that is added first', infinity, ADDED_FIRST, /holds Infinity/],
    ['NaN behind a Transpose', nan, MOVED, /holds NaN/],
    ['NaN in a bias', nan, [['Add', ['x', name], ['y']]], /holds NaN/],
  ])('for %s', async (_label, bad, nodes, message) => {
    await expect(loadModel(modelOf(bad, ...nodes))).rejects.toMatchObject({
      message: expect.stringMatching(message),
      code: 'not-finite',
    });
  });

  it('with the module named', async () => {
    const weight = floatTensor('features.0.weight', [1, 3, 1, 1], [1, nan, nan]);
    const nodes: NodeSpec[] = [['Conv', ['x', 'features.0.weight'], ['/features/features.0/Conv_output_0']]];
    const outputs = ['/features/features.0/Conv_output_0'];
    const bytes = modelBytes({ inputs: [input('x', [1, 3, 4, 4])], nodes, initializers: [weight], outputs });
    await expect(loadModel(bytes)).rejects.toThrow(
      /'features\.0\.weight' of .*\(Conv2d\) holds NaN \(2 of its 3 values\).*export it again/,
    );
    const node = [{ opType: 'Conv', name: '/features/features.0/Conv', input: ['x', weight.name], output: ['y'] }];
    const graph = { input: [input('x', [1, 3, 4, 4])], node, initializer: [weight], output: [{ name: 'y' }] };
    await expect(loadModel(modelBytes({ nodes: [], more: { graph } }))).rejects.toThrow(
      "the weight 'features.0.weight' of features.0 (Conv2d) holds NaN",
    );
  });
});

describe('a model is sound', () => {
  it.each<[string, number, NodeSpec[]]>([
    ['an infinite mask is added', -infinity, [['Add', ['x', name], ['y']]]],
    ['an infinite branch is chosen', infinity, CHOSEN],
    ['a NaN branch is chosen', nan, CHOSEN],
    ['an infinite value is compared with', infinity, [['Max', ['x', name], ['y']]]],
    ['all is finite', 3.4e38, [MATMUL]],
  ])('where %s', async (_label, value, nodes) => {
    expect((await loadModel(modelOf(value, ...nodes))).files).toEqual([]);
  });

  it('where no float is concerned', async () => {
    const indices = tensor('i', ElementType.INT64, [1], { int64Data: [0n] });
    const nodes: NodeSpec[] = [['Gather', ['x', 'i'], ['y']]];
    await loadModel(modelBytes({ inputs: [input('x', [1, 2])], nodes, initializers: [indices] }));
  });
});

describe('weights in files beside the model', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'globalperc-weights-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** y = x · w with so many elements that w stays in its file. */
  async function writeModel(bad: number): Promise<string> {
    const graph = createGraph();
    const weights = new Float32Array(256 * 256).fill(1);
    weights[777] = bad;
    const x = graph.input('x', 'float32', [1, 256]);
    graph.output('y', x.matmul(graph.constant(constantOf('float32', [256, 256], weights), 'w')));
    const { model, external } = writeOnnx(graph, { opset: 20, externalFrom: 1, externalPath: 'w.data' });
    await writeFile(join(folder, 'm.onnx'), model);
    await writeFile(join(folder, 'w.data'), Buffer.concat(external.map(({ constant }) => constant.bytes)));
    return join(folder, 'm.onnx');
  }

  it('are looked at too', async () => {
    await expect(loadModel(await writeModel(nan))).rejects.toThrow(/'w'.* holds NaN \(1 of its 65536 values\)/);
  });

  it('are among the files of the model', async () => {
    const path = await writeModel(1);
    expect((await loadModel(path)).files).toEqual([path, join(folder, 'w.data')]);
  });
});
