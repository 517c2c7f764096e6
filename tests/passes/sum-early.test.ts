/** Sums whose early summands are added up early: fewer tensors wait for the late ones, and the numbers are those of the sum. */
import { expect, it } from 'vitest';
import { constantOf, type Graph, neededNodes, type Tensor } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { lower, schedule, sumEarly } from '../../src/passes/index.js';
import { Generator } from '../../src/random/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';

const LAYERS = 4;

interface Parts {
  /** There from the beginning. */
  readonly a: Tensor;
  readonly c: Tensor;
  readonly g: Tensor;
  /** Behind several products. */
  readonly late: Tensor;
}

type Build = (parts: Parts) => Tensor;

const noise = (seed: number, count: number): Float32Array => {
  const generator = new Generator(seed);
  return Float32Array.from({ length: count }, () => generator.normal());
};

/** Parts of one tensor, which is not kept for them: each is made of two. */
function graphOf(build: Build, size: number): Graph {
  const graph = createGraph();
  const weight = constantOf('float32', [size, size], [...noise(1, size * size).map((w) => w / Math.sqrt(size))]);
  const layer = (x: Tensor): Tensor => x.matmul(graph.constant(weight)).tanh();
  const source = layer(graph.input('x', 'float32', [6 * size, size]));
  const made = (i: number): Tensor => {
    const [one, other] = [2 * i, 2 * i + 1].map((at) => source.slice([0], [at * size], [(at + 1) * size]));
    return (one as Tensor).mul(other as Tensor);
  };
  let late = source.slice([0], [0], [size]);
  for (let i = 0; i < LAYERS; i += 1) late = layer(late);
  graph.output('y', build({ a: made(0), c: made(1), g: made(2), late }));
  graph.nodes = neededNodes(graph.nodes, graph.outputs);
  return graph;
}

async function run(graph: Graph, size: number): Promise<Float32Array> {
  const session = await runSteps(
    Session.open(lower(graph, 'cpu').graph, requiredOpset(graph), { intraOpNumThreads: 1 }),
  );
  const x = { dtype: 'float32', dims: [6 * size, size], data: noise(2, 6 * size * size) } as const;
  const { y } = await runSteps(session.run({ x }));
  await runSteps(session.dispose());
  return y?.data as Float32Array;
}

/** Tensors that wait for the late one: those that its last product does not read, and something behind it does. */
function waiting(graph: Graph): number {
  schedule(graph);
  const last = graph.nodes.findLastIndex(({ op }) => op === 'MatMul');
  const [before, behind] = [
    graph.nodes.slice(0, last),
    new Set(graph.nodes.slice(last + 1).flatMap(({ inputs }) => inputs)),
  ];
  return before.flatMap(({ outputs }) => outputs).filter((output) => behind.has(output)).length;
}

const opsOf = ({ nodes }: Graph): string[] => nodes.map(({ op }) => op).sort();

it.each<[what: string, build: Build, before: number, after: number]>([
  ['a sum with what is late in it', ({ a, c, late }) => a.add(late).add(c), 2, 1],
  ['and through a product', ({ a, c, g, late }) => c.add(a.add(late).mul(g)), 3, 2],
  ['on either side of it', ({ a, c, g, late }) => g.mul(late.add(a)).add(c), 3, 2],
  ['and through several', ({ a, c, g, late }) => late.add(a).mul(g).mul(2).add(c), 3, 2],
])('keeps less for it: %s', async (_, build, before, after) => {
  const size = 128;
  const [plain, early] = [graphOf(build, size), graphOf(build, size)];
  sumEarly(early);
  expect([waiting(plain), waiting(early)]).toEqual([before, after]);
  const [expected, got] = [await run(plain, size), await run(early, size)];
  const worst = Math.max(...got.map((value, i) => Math.abs(value - (expected[i] as number)) / (1 + Math.abs(value))));
  expect(worst).toBeLessThan(1e-5);
});

it.each<[what: string, build: Build, size: number]>([
  ['one summand that is early', ({ a, g, late }) => a.add(late).mul(g), 128],
  ['a mask', ({ a, c, g, late }) => a.add(late).mul(g.greater(1).cast('float32')).add(c), 128],
  ['what is read elsewhere, too', ({ a, c, late }) => a.add(late).add(c).add(late.tanh().mul(a)), 128],
  ['a factor that is late', ({ a, c, late }) => a.add(late).mul(late).add(c), 128],
  ['what broadcasts', ({ a, c, late }) => a.mean([0], true).add(late).add(c), 128],
  ['small tensors', ({ a, c, late }) => a.add(late).add(c), 64],
])('leaves %s', (_, build, size) => {
  const [plain, early] = [graphOf(build, size), graphOf(build, size)];
  sumEarly(early);
  expect(opsOf(early)).toEqual(opsOf(plain));
});
