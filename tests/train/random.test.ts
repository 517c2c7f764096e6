/** The random draws of training steps: fed from named generators, in the distribution that the node asks for. */
import { describe, expect, it } from 'vitest';
import {
  type Attributes,
  checkGraph,
  constantOf,
  type DataType,
  float,
  int,
  ints,
  numbersOf,
  ONNX_DTYPE,
  type Tensor,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { Generator } from '../../src/random/index.js';
import { drawAll, feedRandomness } from '../../src/train/random.js';
import { numbersIn, withSession } from '../support/run.js';

const SHAPE = [3, 40];
const P = constantOf(
  'float32',
  SHAPE,
  Array.from({ length: 120 }, (_, i) => (i % 5) / 4),
);

/** What one node gives in step 2 of a run with seed 7, and the numbers it is fed. */
async function fed(op: string, attributes: Attributes, dtype: DataType = 'float32') {
  const graph = createGraph();
  const like = op.endsWith('Like') || op === 'Bernoulli';
  const inputs = like ? [graph.constant(P)] : [];
  const [y] = graph.emit(op, inputs, like ? attributes : { ...attributes, shape: ints(SHAPE) }) as [Tensor];
  expect(y.dtype).toBe(dtype);
  graph.output('y', y);
  const draws = feedRandomness(graph);
  checkGraph(graph);
  expect(graph.outputs[0]).toMatchObject({ name: 'y', dtype, shape: SHAPE });
  const feeds = drawAll(draws, 7, 2);
  const results = await withSession(graph, (session) => session.run(feeds));
  return { values: numbersIn(results.y), drawn: numbersIn(feeds[draws[0]?.name as string]) };
}

const generator = (): Generator => new Generator(7, -1, 2, 0);
const drawn = (draw: (generator: Generator) => number): number[] => {
  const source = generator();
  return Array.from({ length: 120 }, () => Math.fround(draw(source)));
};
const uniform = drawn((source) => source.uniform());
const normal = drawn((source) => source.normal());

describe('what a node draws', () => {
  const double = { dtype: int(ONNX_DTYPE.float64) };
  const cases: [string, string, Attributes, number[], DataType?][] = [
    ['uniform', 'RandomUniform', {}, uniform],
    ['uniform from −2 to 3', 'RandomUniform', { low: float(-2), high: float(3) }, uniform.map((u) => -2 + 5 * u)],
    ['uniform from 4 to 5', 'RandomUniform', { low: float(4), high: float(5) }, uniform.map((u) => 4 + u)],
    ['uniform from 0 to 3', 'RandomUniform', { high: float(3) }, uniform.map((u) => 3 * u)],
    ['uniform of another type', 'RandomUniform', double, uniform, 'float64'],
    ['uniform of the shape of another tensor', 'RandomUniformLike', {}, uniform],
    ['normal', 'RandomNormal', {}, normal],
    [
      'normal, mean 3, deviation ½',
      'RandomNormal',
      { mean: float(3), scale: float(0.5) },
      normal.map((n) => 3 + n / 2),
    ],
    ['normal of the shape of another tensor', 'RandomNormalLike', {}, normal],
    ['1 with probability p', 'Bernoulli', {}, numbersOf(P).map((p, i) => ((uniform[i] as number) < p ? 1 : 0))],
  ];
  it.each(cases)('%s', async (_what, op, attributes, expected, dtype) => {
    const { values } = await fed(op, attributes, dtype);
    expect(values).toHaveLength(120);
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
  });
});

it('each node draws for itself, as often as the outputs need it, and under names that are free', () => {
  const graph = createGraph();
  const x = graph.input('random:0', 'float32', SHAPE);
  const draw = (): Tensor => graph.emit('RandomUniform', [], { shape: ints(SHAPE) })[0] as Tensor;
  draw();
  graph.output('random:1', x.add(draw()).add(draw().detach()));
  const draws = feedRandomness(graph);
  checkGraph(graph);
  expect(draws.map(({ name }) => name)).toEqual(['random:0.1', 'random:1.1']);
  expect(graph.inputs.map(({ name }) => name)).toEqual(['random:0', 'random:0.1', 'random:1.1']);
  const feeds = drawAll(draws, 7, 2);
  expect(numbersIn(feeds['random:0.1'])).toEqual(uniform);
  expect(numbersIn(feeds['random:1.1'])).not.toEqual(uniform);
  expect(drawAll(draws, 7, 2)).toEqual(feeds);
  expect(numbersIn(drawAll(draws, 7, 3)['random:0.1'])).not.toEqual(uniform);
  expect(numbersIn(drawAll(draws, 8, 2)['random:0.1'])).not.toEqual(uniform);
});
