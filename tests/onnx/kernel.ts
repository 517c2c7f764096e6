/** Models of one operator against ONNX Runtime, which runs it as it is; and their gradients against differences. */
import { TensorProto_DataType as ElementType, type TensorProto } from 'onnx-buf';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { type Graph, sizeOf, Tensor, type Value } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { requiredOpset } from '../../src/ops/index.js';
import { specialize } from '../../src/passes/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { type AttributeSpec, floatTensor, input, modelBytes, type NodeSpec, tensor } from './build.js';

/** A constant of integers or booleans. */
export interface Constant {
  readonly type: 'INT32' | 'INT64' | 'BOOL';
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

export const int32 = (dims: readonly number[], data: readonly number[]): Constant => ({ type: 'INT32', dims, data });
export const int64 = (dims: readonly number[], data: readonly number[]): Constant => ({ type: 'INT64', dims, data });
export const bool = (dims: readonly number[], data: readonly number[]): Constant => ({ type: 'BOOL', dims, data });

/** Numbers given in full. */
export interface Floats {
  readonly dims: readonly number[];
  readonly floats: readonly number[];
}

export interface Case {
  readonly op: string;
  /** Shape of x, the first input. */
  readonly dims?: readonly number[];
  /** Inputs behind x: constants, or floats of a shape; `x` is x again, other names those of `before`; undefined is left out. */
  readonly inputs?: readonly (readonly number[] | Constant | Floats | string | undefined)[];
  readonly attributes?: Record<string, AttributeSpec>;
  /** The one called `y` is looked at. */
  readonly outputs?: readonly string[];
  readonly opset?: number;
  /** Nodes that compute some of the inputs. */
  readonly before?: readonly NodeSpec[];
  /** Nodes with the same meaning, for a form that ONNX Runtime's kernel lacks; they read x and the constants w0, w1 … */
  readonly same?: readonly NodeSpec[];
}

/** `[batch, tokens, features]` */
const DIMS = [2, 3, 8];

export const wave = (size: number, phase: number): number[] =>
  Array.from({ length: size }, (_, i) => Math.sin(0.7 * i + phase));

function initializerOf(spec: readonly number[] | Constant | Floats, index: number): TensorProto {
  const name = `w${index}`;
  if ('floats' in spec) return floatTensor(name, spec.dims, [...spec.floats]);
  if (!('type' in spec)) return floatTensor(name, spec, wave(sizeOf(spec), index + 1));
  const { type, dims, data } = spec;
  return tensor(
    name,
    ElementType[type],
    dims,
    type === 'INT64' ? { int64Data: data.map(BigInt) } : { int32Data: [...data] },
  );
}

export function modelOf(spec: Case, nodes?: readonly NodeSpec[]): Uint8Array {
  const { op, dims = DIMS, inputs = [], attributes = {}, outputs = ['y'], opset = 20, before = [] } = spec;
  const names = inputs.map((one, i) => (one === undefined ? '' : typeof one === 'string' ? one : `w${i}`));
  const initializers = inputs.flatMap((one, i) =>
    one === undefined || typeof one === 'string' ? [] : [initializerOf(one, i)],
  );
  const open = dims.map((size, i) => (i === dims.length - 1 ? size : `d${i}`));
  return modelBytes({
    opset,
    inputs: [input('x', open)],
    nodes: nodes ?? [...before, [op, ['x', ...names], outputs, attributes]],
    initializers,
    outputs: ['y'],
  });
}

/** Our static graph of a model, its input and output. */
async function opened(bytes: Uint8Array, dims: readonly number[]) {
  const model = await loadModel(bytes);
  const [y] = model.graph.outputs as [Value];
  const body = await runSteps(
    specialize(model.graph, new Map([[model.input, { dtype: 'float32', shape: dims }]]), [y]),
  );
  return { graph: body.graph, x: body.valueOf(model.input), y: body.valueOf(y) };
}

async function run(graph: Graph, output: Value, dims: readonly number[], data: Float32Array): Promise<number[]> {
  graph.outputs = [output];
  const result = await runSteps(Session.runOnce(graph, requiredOpset(graph), { x: { dtype: 'float32', dims, data } }));
  return Array.from(result[output.name]?.data as Float32Array);
}

async function kernel(bytes: Uint8Array, dims: readonly number[], data: Float32Array): Promise<OrtTensor> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, graphOptimizationLevel: 'disabled' });
  const result = await session.run({ x: new OrtTensor('float32', data, dims) });
  return Object.values(result)[0] as OrtTensor;
}

const inner = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** What our spelling of a model gives for x, and the gradient of Σy². */
export async function spelledOut(bytes: Uint8Array, dims: readonly number[], data: Float32Array) {
  const { graph, x, y } = await opened(bytes, dims);
  expect(graph.nodes.filter(({ domain }) => domain !== '')).toEqual([]);
  const output = new Tensor(graph, y);
  const total = output.mul(output).sum(output.shape.map((_, axis) => axis));
  const [dx] = gradient(total, [new Tensor(graph, x)]) as [Tensor];
  return {
    shape: y.shape,
    values: await run(graph, y, dims, data),
    gradient: await run(graph, dx.value, dims, data),
    total: async (at: Float32Array) => (await run(graph, total.value, dims, at))[0] as number,
  };
}

export function expectClose(found: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(found.length).toBe(expected.length);
  const worst = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] as number))));
  expect(worst).toBeLessThan(tolerance);
}

/** Each case gives what ONNX Runtime gives, and has the gradient that differences show. */
export function compareWithKernel(cases: readonly (readonly [string, Case])[]): void {
  describe.each(cases)('%s', (_name, spec) => {
    const { dims = DIMS } = spec;
    const data = Float32Array.from(wave(sizeOf(dims), 0.3));

    it('gives what ONNX Runtime gives', async () => {
      const theirs = await kernel(modelOf(spec, spec.same), dims, data);
      const ours = await spelledOut(modelOf(spec), dims, data);
      expect(ours.shape).toEqual(theirs.dims);
      expectClose(ours.values, Array.from(theirs.data as Float32Array), 2e-5);
    });

    it('has the gradient that differences show', async () => {
      const { gradient, total } = await spelledOut(modelOf(spec), dims, data);
      const direction = wave(data.length, 2);
      const along = (step: number): Float32Array => data.map((value, i) => value + step * (direction[i] as number));
      const difference = ((await total(along(1e-2))) - (await total(along(-1e-2)))) / 2e-2;
      expect(Math.abs(inner(gradient, direction) - difference)).toBeLessThan(2e-2 * Math.max(1, Math.abs(difference)));
    });
  });
}

/** Each case is refused at import. */
export function expectRefused(cases: readonly (readonly [string, Case, RegExp])[]): void {
  describe('refused by name', () => {
    it.each(cases)('%s', async (_name, spec, message) => {
      // Not with `rejects`: where the model loads, printing it would take minutes.
      const error = await loadModel(modelOf(spec)).then(
        () => undefined,
        (reason: Error) => reason.message,
      );
      expect(error).toMatch(message);
    });
  });
}
