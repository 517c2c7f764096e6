/** Types and constants of models, found without running them. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Attributes,
  type ConstantData,
  constantInFile,
  constantOf,
  copyNodes,
  type DataType,
  type Graph,
  GraphBuilder,
  int,
  ints,
  makeConstant,
  makeNode,
  numbersOf,
  Tensor,
  type TensorType,
  type Value,
} from '../../src/graph/index.js';
import { loadModel, type Model } from '../../src/model/index.js';
import { createGraph, operators, requiredOpset } from '../../src/ops/index.js';
import { specialize } from '../../src/passes/index.js';
import { SMALL_OPERATORS, smallValue } from '../../src/passes/small-values.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { type Draw, drawing } from '../support/draw.js';
import { counted, feedOf, numbersIn, withSession } from '../support/run.js';

const image = (shape: readonly number[]): TensorType => ({ dtype: 'float32', shape });

const stored = (folder: string): URL => new URL(`../../${folder}/`, import.meta.url);
const modelsIn = (folder: string): [string, URL][] =>
  readdirSync(stored(folder))
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => [name, new URL(name, stored(folder))]);

/** The sides that a model's file declares, or others that all take. */
const shapeOf = ({ input }: Model): number[] =>
  (input.declaredShape ?? [1, 3, 64, 64]).map((dim, i) => (typeof dim === 'number' ? dim : ([1, 3, 64, 64][i] ?? 1)));

/** The types of all values of a model as ONNX Runtime computes them from a sample. */
async function measured({ graph, input }: Model, shape: readonly number[]): Promise<Map<Value, string>> {
  const program = new GraphBuilder();
  const copies = new Map<Value, Value>([[input, program.input('input', 'float32', shape).value]]);
  program.nodes = copyNodes(graph.nodes, copies);
  const values = graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== undefined));
  program.outputs = values.map((value, i) => Object.assign(copies.get(value) as Value, { name: `output_${i}` }));
  const data = new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5);
  const results = await runSteps(
    Session.runOnce(program, requiredOpset(graph), { input: { dtype: 'float32', dims: [...shape], data } }),
  );
  return new Map(
    values.map((value, i) => [value, `${results[`output_${i}`]?.dtype}[${results[`output_${i}`]?.dims}]`]),
  );
}

describe('types are those that ONNX Runtime finds', () => {
  it.each([...modelsIn('fixtures/data/models'), ...modelsIn('fixtures/data/dinov2'), ...modelsIn('examples')])(
    'in %s, in at most two sessions',
    async (_, url) => {
      const model = await loadModel(url);
      const shape = shapeOf(model);
      const values = model.graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== undefined));
      const types = new Map([[model.input, image(shape)]]);
      const { result, sessions, bytes } = await counted(specialize(model.graph, types, values));
      const inferred = values.map(result.valueOf);
      expect(inferred.map(({ dtype, shape }) => `${dtype}[${shape}]`)).toEqual([
        ...(await measured(model, shape)).values(),
      ]);
      expect(sessions).toBeLessThanOrEqual(2);
      // Nothing of the model's weights, but what is computed from them alone.
      expect(bytes).toBeLessThan(readFileSync(url).length);
    },
  );
});

describe('values of shape arithmetic', () => {
  const dtypes = ['int64', 'float32'] as const;
  const whole = (draw: Draw): number => draw(13) - 6;
  const data = (draw: Draw, dtype: DataType, shape: readonly number[], value = whole): ConstantData =>
    constantOf(
      dtype,
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
        dtype === 'float32' ? Math.fround(value(draw) / 3) : value(draw),
      ),
    );
  const list = (...values: number[]): ConstantData => constantOf('int64', [values.length], values);
  const any = (draw: Draw): DataType => dtypes[draw(2)] as DataType;
  const booleans = (draw: Draw, shape: readonly number[]): ConstantData => data(draw, 'bool', shape, () => draw(2));
  const pair = (draw: Draw, dtype = any(draw)): ConstantData[] => [
    data(draw, dtype, [3]),
    data(draw, dtype, [[3], [1], []][draw(3)] as number[]),
  ];
  const nonZero = (draw: Draw): ConstantData[] => {
    const dtype = any(draw);
    return [data(draw, dtype, [3]), data(draw, dtype, [3], () => (1 + draw(5)) * (draw(2) * 2 - 1))];
  };
  /** Inputs and attributes of each operator. */
  const calls: Record<string, (draw: Draw) => { inputs: ConstantData[]; attributes?: Attributes }> = {
    Identity: (draw) => ({ inputs: [data(draw, any(draw), [3])] }),
    Reshape: (draw) => ({ inputs: [data(draw, 'int64', [6]), list(2, -1)] }),
    Squeeze: (draw) => ({ inputs: [data(draw, 'int64', [1, 3]), list(0)] }),
    Unsqueeze: (draw) => ({ inputs: [data(draw, any(draw), [3]), list(draw(2))] }),
    Flatten: (draw) => ({ inputs: [data(draw, any(draw), [2, 3])], attributes: { axis: int(draw(3)) } }),
    Cast: (draw) => ({
      inputs: [data(draw, any(draw), [4])],
      attributes: { to: int([1, 6, 7, 9, 11][draw(5)] as number) },
    }),
    Gather: (draw) => ({
      inputs: [data(draw, any(draw), [4]), data(draw, 'int64', [[], [3]][draw(2)] as number[], () => draw(8) - 4)],
    }),
    Concat: (draw) => ({ inputs: [list(draw(9)), list(1, draw(9))], attributes: { axis: int(0) } }),
    Slice: (draw) => {
      const step = (1 + draw(3)) * (draw(2) * 2 - 1);
      const end = draw(4) === 0 ? Math.sign(step) * 2 ** 62 : whole(draw);
      return { inputs: [data(draw, any(draw), [5, 2]), list(whole(draw)), list(end), list(-draw(3)), list(step)] };
    },
    Transpose: (draw) => ({
      inputs: [data(draw, any(draw), [2, 1, 3])],
      ...(draw(2) && { attributes: { perm: ints([2, 0, 1]) } }),
    }),
    Div: (draw) => ({ inputs: nonZero(draw) }),
    Neg: (draw) => ({ inputs: [data(draw, any(draw), [3])] }),
    Floor: (draw) => ({ inputs: [data(draw, 'float32', [3])] }),
    Ceil: (draw) => ({ inputs: [data(draw, 'float32', [3])] }),
    Sqrt: (draw) => ({ inputs: [data(draw, 'float32', [3], () => draw(40))] }),
    And: (draw) => ({ inputs: [booleans(draw, [3]), booleans(draw, [1])] }),
    Or: (draw) => ({ inputs: [booleans(draw, [3]), booleans(draw, [])] }),
    Not: (draw) => ({ inputs: [booleans(draw, [3])] }),
    Where: (draw) => {
      const [a, b] = pair(draw) as [ConstantData, ConstantData];
      return { inputs: [booleans(draw, [3]), a, b] };
    },
    Expand: (draw) => ({ inputs: [data(draw, any(draw), [2, 1]), list(2, 3)] }),
    ConstantOfShape: (draw) => ({
      inputs: [list(draw(3), 2)],
      ...(draw(2) && { attributes: { value: { kind: 'tensor', value: list(7) } as const } }),
    }),
    Range: (draw) => ({
      inputs: [whole(draw), whole(draw), 1 + draw(3)].map((value) => constantOf('int64', [], [value])),
    }),
    ReduceProd: (draw) => ({ inputs: [data(draw, any(draw), [3])], attributes: { keepdims: int(draw(2)) } }),
  };
  it.each(SMALL_OPERATORS)('%s are those that ONNX Runtime computes', async (op) => {
    const draw = drawing(5);
    let computed = 0;
    for (let i = 0; i < 24; i += 1) {
      const { inputs, attributes = {} } = calls[op]?.(draw) ?? { inputs: pair(draw) };
      const graph = createGraph();
      const given = inputs.map((constant, j) => graph.constant(constant, `x${j}`));
      const constants = inputs.map((constant, j) => makeConstant(`x${j}`, constant));
      const node = makeNode({ op, name: op, inputs: constants, outputs: [{ name: 'y' }], attributes });
      const [type] = graph.infer(node) as [TensorType];
      const found = smallValue(node, type);
      if (found === undefined) continue;
      computed += 1;
      const [y] = graph.emit(op, given, attributes, { types: [type] }) as [Tensor];
      graph.output('y', y);
      const { y: expected } = await withSession(graph, (session) => session.run({}));
      const what = `${op} of ${inputs.map((constant) => `${constant.dtype}[${numbersOf(constant)}]`)}`;
      expect([found.dtype, found.shape, numbersOf(found)], what).toEqual([
        expected?.dtype,
        expected?.dims,
        numbersIn(expected),
      ]);
    }
    expect(computed).toBeGreaterThan(12);
  });

  it('are left to ONNX Runtime where they are large, no numbers, or divided by 0', () => {
    const value = (op: string, ...inputs: ConstantData[]): unknown => {
      const outputs = [{ name: 'y' }];
      const node = makeNode({ op, name: op, inputs: inputs.map((each) => makeConstant('x', each)), outputs });
      return smallValue(node, { dtype: inputs[0]?.dtype ?? 'int64', shape: inputs[0]?.shape ?? [] });
    };
    expect(value('Div', list(4), list(2))).toMatchObject({ shape: [1] });
    expect(value('Div', list(4), list(0))).toBeUndefined();
    expect(value('Neg', list(2 ** 60))).toBeUndefined();
    expect(value('Neg', constantOf('float32', [1], [Number.NaN]))).toBeUndefined();
    expect(value('Mul', constantOf('int32', [1], [2 ** 20]), constantOf('int32', [1], [2 ** 20]))).toBeUndefined();
    expect(value('Neg', constantOf('int64', [65], new Array(65).fill(1)))).toBeUndefined();
  });
});

/** What a graph over x [rows, 4] gives for all its nodes. */
const specialized = (graph: Graph, y: Tensor, shape: number[]) =>
  counted(specialize(graph, new Map([[graph.inputs[0] as Value, image(shape)]]), [y.value]));

describe('a model is not run', () => {
  it('but for what a type depends on, in one session for all that is known', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2, 4]);
    const types = (shape: number[]) => ({ types: [{ dtype: 'int64', shape }] as const });
    // No rule of ours computes a sum of exponentials.
    const odd = (): Tensor => {
      const [shape] = graph.emit('Shape', [x], {}, types([2])) as [Tensor];
      const rounded = shape.cast('float32').unary('Exp').log().add(0.5).floor();
      return rounded.cast('int64');
    };
    const [a] = graph.emit('Reshape', [x.exp(), odd().mul(graph.ints([1, 1]))], {}, { types: [image([2, 4])] }) as [
      Tensor,
    ];
    const [b] = graph.emit('Expand', [x.neg(), odd().add(0)], {}, { types: [image([2, 4])] }) as [Tensor];
    const { result, sessions } = await specialized(graph, a.add(b), [3, 4]);
    expect(sessions).toBe(1);
    expect(result.graph.nodes.map(({ op }) => op)).toEqual(['Exp', 'Reshape', 'Neg', 'Expand', 'Add']);
    expect(result.graph.nodes.at(-1)?.outputs[0]?.shape).toEqual([3, 4]);
  });

  it('and weights that lie in files are not read, in another arrangement neither', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2, 4]);
    const place = { folder: '/nowhere', location: 'weights.bin', offset: 0, state: '' };
    const weight = constantInFile({ dtype: 'float32', shape: [8192, 4] }, place, () => {
      throw new Error('its bytes are asked for');
    });
    const y = x.matmul(graph.constant(weight, 'weight').transpose([1, 0]));
    const { result, sessions } = await specialized(graph, y, [3, 4]);
    expect(sessions).toBe(0);
    expect(result.graph.nodes.map(({ op }) => op)).toEqual(['Transpose', 'MatMul']);
    expect(result.valueOf(y.value).shape).toEqual([3, 8192]);
  });

  it('but an operator that has no entry, alone', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2, 4]);
    expect(operators.has('BitwiseNot')).toBe(false);
    const large = graph.constant(constantOf('float32', [4, 500], new Array(2000).fill(1)), 'weight');
    const types = [{ dtype: 'int32', shape: [2, 500] }] as const;
    const [y] = graph.emit('BitwiseNot', [x.matmul(large).cast('int32')], {}, { types }) as [Tensor];
    const { result, sessions, bytes } = await specialized(graph, y, [3, 4]);
    expect(sessions).toBe(1);
    expect(bytes).toBeLessThan(1000);
    expect(result.valueOf(y.value)).toMatchObject({ dtype: 'int32', shape: [3, 500] });
  });
});

describe('another shape than the one that a model was made static for', () => {
  /** Σ x at the places where x is above a half, and those of the sample. */
  const chosen = async (threshold: number) => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [4]);
    const types = [{ dtype: 'int64', shape: [1, 4] }] as const;
    const [places] = graph.emit('NonZero', [x.greater(threshold)], {}, { types }) as [Tensor];
    const y = x.gather(places, 0).sum();
    const { result } = await specialized(graph, y, [4]);
    result.graph.output('y', new Tensor(result.graph, result.valueOf(y.value)));
    const run = (...values: number[]) =>
      withSession(result.graph, (session) => session.run({ x: feedOf(constantOf('float32', [4], values)) }));
    return { graph: result.graph, run };
  };

  it('is an error of the session, not another number', async () => {
    const { graph, run } = await chosen(0.25);
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      'Greater',
      'NonZero',
      'Split',
      'Split',
      'Gather',
      'ReduceSum',
      'Identity',
    ]);
    expect(numbersIn((await run(1, 2, 3, 4)).y)).toEqual([10]);
    await expect(run(1, 2, 3, 0)).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'runtime',
      message: expect.stringMatching(/nonzero_\d+ has shape \[1,4\] for one image and another for this one/),
    });
  });

  it('so is a type that a rule infers and ONNX Runtime does not', async () => {
    const rule = operators.get('Exp');
    const graph = createGraph();
    const y = graph.input('x', 'float32', [2]).exp().neg();
    (operators as Map<string, unknown>).set('Exp', { ...rule, infer: () => ({ dtype: 'float32', shape: [1, 2] }) });
    try {
      const { result } = await specialized(graph, y, [2]);
      result.graph.output('y', new Tensor(result.graph, result.valueOf(y.value)).sum());
      await expect(withSession(result.graph, () => Promise.resolve())).rejects.toMatchObject({
        name: 'GlobalPercError',
        code: 'runtime',
        message: expect.stringMatching(/could not open a session: Node:Exp_1 .*they differ|ShapeInferenceError/),
      });
    } finally {
      (operators as Map<string, unknown>).set('Exp', rule);
    }
  });

  it('a damaged node is named', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [y] = graph.emit('MatMul', [x], {}, { name: 'broken', types: [image([2])] }) as [Tensor];
    await expect(specialized(graph, y, [2])).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringMatching(
        /^MatMul 'broken': the inputs \[2\] are not those of a MatMul; export the model again$/,
      ),
    });
  });
});
