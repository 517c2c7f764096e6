/** What an operator's rule for types accepts, ONNX Runtime runs, with the same types: models are made static by the rules alone. */
import { describe, expect, it } from 'vitest';
import {
  type ConstantData,
  constantOf,
  GlobalPercError,
  numbersOf,
  sizeOf,
  type Tensor,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { type Draw, drawing } from '../support/draw.js';
import { attributesOfCase, type Case, families } from '../support/op-cases.js';
import { feedOf, withSession } from '../support/run.js';

/** What is wrong with values, or is not implemented for any: no rule for types tells. */
const NOT_TYPES = /out of (data )?bounds|out of range|out-of-bound|invalid ind|mode only supports/i;

/** A shape with one dimension changed, put in or taken away. */
function bent(shape: readonly number[], draw: Draw): number[] {
  const at = draw(Math.max(shape.length, 1));
  const size = shape[at] ?? 1;
  const kinds = [
    () => shape.with(at, size + 1),
    () => shape.with(at, Math.max(1, size - 1)),
    () => shape.with(at, 1),
    () => shape.with(at, size * 2),
    () => shape.toSpliced(at, 1),
    () => shape.toSpliced(at, 0, 1),
    () => shape.toSpliced(at, 0, 2),
  ];
  const kind = kinds[draw(kinds.length)] as () => number[];
  return shape.length === 0 ? [1 + draw(2)] : kind();
}

/** The same elements, as often or as few as a shape takes. */
function filled({ dtype, ...data }: ConstantData, shape: readonly number[]): ConstantData {
  const values = numbersOf({ dtype, ...data });
  return constantOf(
    dtype,
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => values[i % Math.max(values.length, 1)] ?? 0),
  );
}

describe.each(families)('$file', ({ fixture }) => {
  const known = [...new Set(fixture.cases.map(({ op }) => op))];
  it.each(known)('%s', async (op) => {
    const cases = fixture.cases.filter((test) => test.op === op);
    const draw = drawing(7);
    const wrong = new Set<string>();
    for (const test of cases.slice(0, 12)) {
      for (let i = 0; i < 8; i += 1)
        await outcome(fixture, test, draw).catch(({ message }: Error) => NOT_TYPES.test(message) || wrong.add(message));
    }
    expect([...wrong], op).toEqual([]);
  });
});

async function outcome(
  fixture: (typeof families)[number]['fixture'],
  test: Case,
  draw: Draw,
): Promise<'refused' | 'runs'> {
  const graph = createGraph();
  const present = test.inputs.flatMap((input, i) => (input ? [i] : []));
  const wrong = present[draw(present.length)];
  const feeds: Record<string, ConstantData> = {};
  const inputs = test.inputs.map((input, i): Tensor | undefined => {
    if (input === null) return undefined;
    const stored = fixture.tensor(input.key);
    const data = i === wrong ? filled(stored, bent(stored.shape, draw)) : stored;
    if (!input.variable) return graph.constant(data);
    feeds[`input_${i}`] = data;
    return graph.input(`input_${i}`, data.dtype, data.shape);
  });
  const what = `${test.op} '${test.name}' of ${inputs.map((input) => (input ? `[${input.shape}]` : 'none')).join(' ')}`;
  let outputs: Tensor[];
  try {
    outputs = graph.emit(test.op, inputs, attributesOfCase(test), { outputs: test.outputs.length });
  } catch (error) {
    expect(error, `${what}: ${(error as Error).stack}`).toBeInstanceOf(GlobalPercError);
    return 'refused';
  }
  for (const [i, output] of outputs.entries()) graph.output(`output_${i}`, output);
  const given = Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]));
  const results = await withSession(graph, (session) => session.run(given)).catch((error: Error) => {
    throw new Error(`${what} gives ${outputs.map(({ shape }) => `[${shape}]`).join(' ')}, but ${error.message}`);
  });
  expect(
    outputs.map((_, i) => results[`output_${i}`]?.dims),
    what,
  ).toEqual(outputs.map(({ shape }) => shape));
  return 'runs';
}
