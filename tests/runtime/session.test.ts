/** What a session runs, keeps and frees, and what ONNX Runtime is kept from. */
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { constantOf, type Graph, ints, type Tensor } from '../../src/graph/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { download, type HostTensor, release, runSteps, Session } from '../../src/runtime/index.js';
import { optimizationsFor } from '../../src/runtime/optimizations.js';
import { feedOf, numbersIn } from '../support/run.js';

it('a MaxPool sees the zeros that a Pad before it puts beside negative numbers', async () => {
  const graph = createGraph();
  const padded = graph.input('x', 'float32', [1, 1, 2, 2]).pad([0, 0, 0, 0], [0, 0, 1, 1]);
  const [y] = graph.emit('MaxPool', [padded], { kernel_shape: ints([2, 2]), strides: ints([1, 1]) });
  graph.output('y', y as Tensor);
  const session = await runSteps(Session.open(graph, requiredOpset(graph)));
  const { y: found } = await runSteps(
    session.run({ x: feedOf(constantOf('float32', [1, 1, 2, 2], [-4, -3, -2, -1])) }),
  );
  await runSteps(session.dispose());
  expect(numbersIn(found)).toEqual([-1, 0, 0, 0]);
});

describe('a session', () => {
  /** y = x·w, z = −x. */
  function graphOf(weights = new Float32Array(2).fill(3)): Graph {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [weights.length]);
    graph.output('y', x.mul(graph.constant(constantOf('float32', [weights.length], weights), 'w')));
    graph.output('z', x.neg());
    return graph;
  }
  const open = (graph: Graph): Promise<Session> => runSteps(Session.open(graph, requiredOpset(graph)));
  const feeds = { x: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) } } as const;

  it('gives the outputs that are asked for, or all', async () => {
    const session = await open(graphOf());
    expect(Object.keys(await runSteps(session.run(feeds)))).toEqual(['y', 'z']);
    expect(await runSteps(session.run(feeds, ['z']))).toEqual({ z: { ...feeds.x, data: Float32Array.of(-1, -2) } });
    await runSteps(session.dispose());
    await expect(runSteps(session.run(feeds))).rejects.toMatchObject({ name: 'GlobalPercError', code: 'runtime' });
  });

  it('says that memory ran out', async () => {
    const graph = createGraph();
    graph.output(
      'y',
      graph
        .input('x', 'float32', [2])
        .reshape([2, 1])
        .expand([2, 2 ** 44]),
    );
    const session = await open(graph);
    await expect(runSteps(session.run(feeds))).rejects.toMatchObject({
      code: 'out-of-memory',
      message: expect.stringMatching(/^memory ran out when ONNX Runtime was to run a session: take smaller images/),
    });
    await runSteps(session.dispose());
  });

  it('takes large weights beside the model', async () => {
    const session = await open(graphOf(new Float32Array(2000).fill(3)));
    const x = { dtype: 'float32', dims: [2000], data: new Float32Array(2000).fill(2) } as const;
    expect(numbersIn((await runSteps(session.run({ x }, ['y']))).y)).toEqual(new Array(2000).fill(6));
    await runSteps(session.dispose());
  });

  it('is told no shapes by a Reshape or Gemm of a graph that is opened without ranks', async () => {
    const graph = createGraph();
    const column = graph.input('x', 'float32', [2]).reshape([2, 1]);
    const [product] = graph.emit('Gemm', [column, graph.constant(constantOf('float32', [1, 1], [1]), 'w')]);
    graph.output('y', (product as Tensor).neg());
    const { model } = writeOnnx(graph, { opset: requiredOpset(graph), openInputs: 'ranks' });
    const { input, node, initializer } = fromBinary(ModelProtoSchema, model).graph as GraphProto;
    expect(node.map(({ opType }) => opType)).toEqual(['Reshape', 'Gemm', 'Reshape', 'Neg', 'Identity']);
    const shapes = node.flatMap((each) => (each.opType === 'Reshape' ? [each.input[1]] : []));
    expect(input.map(({ name }) => name)).toEqual(['x', ...shapes]);
    expect(initializer.map(({ name }) => name)).toEqual(expect.arrayContaining(shapes));
    expect(input.every(({ type }) => type?.value.case === 'tensorType' && type.value.value.shape === undefined)).toBe(
      true,
    );
    const about = { external: [], inPlace: undefined, strict: false, optimizations: optimizationsFor(graph, false) };
    const session = await runSteps(Session.openWritten({ model, ...about }, {}, {}));
    expect(await runSteps(session.run(feeds))).toMatchObject({ y: { dims: [2, 1], data: Float32Array.of(-1, -2) } });
    await runSteps(session.dispose());
  });

  it('runs once and gives its results', async () => {
    const graph = graphOf();
    const { y } = await runSteps(Session.runOnce(graph, requiredOpset(graph), feeds));
    expect(numbersIn(y)).toEqual([3, 6]);
  });

  it('keeps outputs beside it, which stand in for data, are replaced, given back and freed', async () => {
    const session = await open(graphOf());
    const { y } = await runSteps(session.runKept(feeds));
    expect(y).toMatchObject({ dtype: 'float32', dims: [2] });
    expect(y?.data).toBeUndefined();
    const kept = y as HostTensor;
    expect(numbersIn((await runSteps(session.run({ x: kept }))).y)).toEqual([9, 18]);
    const others = await runSteps(session.runInPlace({ x: kept }, { y: kept }, []));
    expect(Object.keys(others)).toEqual(['z']);
    expect(numbersIn((await runSteps(download([kept], {})))[0])).toEqual([9, 18]);
    await runSteps(release([kept, feeds.x], {}));
    await expect(runSteps(session.run({ x: kept }))).rejects.toMatchObject({ code: 'runtime' });
    await runSteps(session.dispose());
  });
});
