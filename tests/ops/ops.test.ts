/**
 * Every operator rule against stored PyTorch results and against central differences.
 * The cases come from `fixtures/ops/*.py`; adding an operator means adding its cases there.
 */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import {
  type ConstantData,
  constantOf,
  type DataType,
  int,
  type Node,
  numbersOf,
  string,
  type Tensor,
} from '../../src/graph/index.js';
import { createGraph, operators, requiredOpset } from '../../src/ops/index.js';
import { build, type Case, families, withGradients } from '../support/op-cases.js';
import { expectClose, feedOf, numbersIn, runGraph, withSession } from '../support/run.js';
import type { Fixture } from '../support/safetensors.js';

/** Operators whose integer inputs may depend on the data. */
const INDEXED = new Set([
  'Gather',
  'GatherElements',
  'GatherND',
  'ScatterElements',
  'ScatterND',
  'MaxUnpool',
  'RoiAlign',
]);

/** ∂loss/∂x by (f(x+h) − f(x−h)) / 2h for every element of every variable. */
async function centralDifferences(fixture: Fixture<Case>, test: Case): Promise<(number[] | undefined)[]> {
  const dtype = test.double ? 'float64' : 'float32';
  const step = test.double ? 1e-4 : 1e-2;
  const { graph, feeds, variables, loss } = build(fixture, test, dtype);
  graph.output('loss', loss as Tensor);
  return withSession(graph, async (session) => {
    const constants = Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]));
    const at = async (name: string, data: ConstantData): Promise<number> =>
      numbersIn((await session.run({ ...constants, [name]: feedOf(data) })).loss)[0] as number;
    const results: (number[] | undefined)[] = [];
    for (const [i, variable] of variables.entries()) {
      if (variable === undefined) continue;
      const name = `input_${i}`;
      const data = feeds[name] as ConstantData;
      const numbers = numbersOf(data);
      const shifted = (index: number, by: number) =>
        constantOf(
          data.dtype,
          data.shape,
          numbers.map((number, j) => (j === index ? number + by : number)),
        );
      const slopes: number[] = [];
      for (const index of numbers.keys()) {
        slopes.push(((await at(name, shifted(index, step))) - (await at(name, shifted(index, -step)))) / (2 * step));
      }
      results[i] = slopes;
    }
    return results;
  });
}

/** Outputs and gradients as ONNX Runtime computes them, and the outputs as the rules describe them. */
async function run(fixture: Fixture<Case>, test: Case, dtype: DataType, fed = false) {
  const { graph, feeds, outputs, wrt } = withGradients(fixture, test, dtype, fed);
  const results = await withSession(graph, (session) =>
    session.run(Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]))),
  );
  return { outputs, results, wrt };
}

type Ran = Awaited<ReturnType<typeof run>>;

function expectGradients({ results, wrt }: Ran, fixture: Fixture<Case>, test: Case, tolerance: number): void {
  for (const i of wrt) {
    const expected = fixture.tensor(test.gradients[i] as string);
    expectClose(numbersIn(results[`gradient_${i}`]), expected, tolerance, `gradient ${i} against PyTorch`);
  }
}

const labelled = (cases: readonly Case[]) => cases.map((test) => ({ label: `${test.op}: ${test.name}`, test }));

describe.each(families)('$file', ({ fixture }) => {
  it.each(labelled(fixture.cases))('$label', async ({ test }) => {
    const single = await run(fixture, test, 'float32');
    const { outputs, results, wrt } = single;
    test.outputs.forEach((key, i) => {
      expect(results[`output_${i}`]?.dims, `inferred shape of output ${i}`).toEqual(outputs[i]?.shape);
      expect(results[`output_${i}`]?.dtype, `inferred dtype of output ${i}`).toBe(outputs[i]?.dtype);
      expectClose(numbersIn(results[`output_${i}`]), fixture.tensor(key), 1e-4, `output ${i}`);
    });
    expectGradients(single, fixture, test, 1e-4);
    if (!test.smooth || wrt.length === 0) return;
    const slopes = await centralDifferences(fixture, test);
    for (const i of wrt) {
      expectClose(
        numbersIn(results[`gradient_${i}`]),
        slopes[i] as number[],
        test.double ? 1e-4 : 1e-2,
        `gradient ${i} against central differences`,
      );
    }
  });

  const inDouble = fixture.cases.filter((test) => test.double && test.gradients.some(Boolean));
  it.runIf(inDouble.length > 0)('in double precision, as near as the stored results are', async () => {
    for (const test of inDouble) {
      try {
        expectGradients(await run(fixture, test, 'float64'), fixture, test, 1e-6);
      } catch (error) {
        throw new Error(`${test.op}: ${test.name}`, { cause: error });
      }
    }
  });

  const byIndex = fixture.cases.filter(({ op }) => INDEXED.has(op));
  it.runIf(byIndex.length > 0).each(labelled(byIndex))(
    '$label with indices that depend on the data',
    async ({ test }) => {
      expectGradients(await run(fixture, test, 'float32', true), fixture, test, 1e-4);
    },
  );
});

describe('completeness', () => {
  const covered = new Set(
    families.flatMap(({ fixture }) =>
      fixture.cases.filter((test) => test.gradients.some(Boolean)).map((test) => test.op),
    ),
  );
  it.each([...operators].filter(([, operator]) => operator.vjp).map(([op]) => op))('%s has gradient cases', (op) => {
    expect(covered).toContain(op);
  });
});

it.each([0, 1e-25])(
  'the slope of a length is 0 where its squares are, at %s, however steep what follows is',
  async (value) => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 3]);
    const [length] = graph.emit('ReduceL2', [x, graph.ints([1])]) as [Tensor];
    const [grad] = gradient(length.mul(3e38).sum(), [x]) as [Tensor];
    const { y } = await runGraph(graph, { y: grad }, { x: constantOf('float32', [1, 3], [value, -value, value]) });
    for (const slope of y ?? [Number.NaN]) expect(Math.abs(slope)).toBeLessThan(1e-20);
  },
);

it('RoiAlign takes regions that depend on the data as it takes known ones', async () => {
  const regions = constantOf('float32', [2, 4], [0.3, 0.6, 4.1, 3.2, -1.4, 1.1, 2.3, 7.9]);
  const feeds = {
    x: constantOf(
      'float32',
      [1, 2, 5, 5],
      Float32Array.from({ length: 50 }, (_, i) => Math.sin(i)),
    ),
    regions,
  };
  for (const mode of ['avg', 'max']) {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 2, 5, 5]);
    const attributes = { mode: string(mode), sampling_ratio: int(2), output_height: int(2), output_width: int(3) };
    const of = (rois: Tensor): Tensor => {
      const [y] = graph.emit('RoiAlign', [x, rois, graph.ints([0, 0])], attributes);
      return gradient((y as Tensor).square().sum(), [x])[0] as Tensor;
    };
    const outputs = { known: of(graph.constant(regions)), computed: of(graph.input('regions', 'float32', [2, 4])) };
    const { known, computed } = await runGraph(graph, outputs, feeds);
    expectClose(computed as number[], known as number[], 1e-6, mode);
  }
});

it('a graph of any length has an operator set', () => {
  const graph = createGraph();
  graph.input('x', 'float32', [1]).relu();
  const [node] = graph.nodes;
  graph.nodes = Array.from({ length: 300_000 }, () => node as Node);
  expect(requiredOpset(graph)).toBe(20);
});
