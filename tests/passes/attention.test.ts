/** Attention as one node: the same numbers and gradients as spelled out, by blocks of any size, and nothing large that is kept. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import {
  type ConstantData,
  constantOf,
  type DataType,
  dependents,
  type Graph,
  int,
  numbersOf,
  ONNX_DTYPE,
  readersOf,
  sizeOf,
  type Tensor,
  type Value,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import type { ScoreBytes } from '../../src/passes/attention/spell.js';
import { fuseAttention, simplify, spellAttention } from '../../src/passes/index.js';
import { expectClose, feedOf, numbersIn, withSession } from '../support/run.js';

type Inputs = Readonly<Record<'q' | 'k' | 'v' | 'bias', Tensor>>;

interface Case {
  readonly build: (inputs: Inputs) => Tensor;
  /** Heads and queries, keys and sizes: batch and heads in front. */
  readonly outer?: readonly number[];
  /** Shape of the input `bias`; the gradient by it is compared as well. */
  readonly bias?: readonly number[];
}

const [QUERIES, KEYS, WIDTH, VALUES] = [7, 5, 4, 3];
const HEADS = [2, 3];

/** Numbers that look random and are the same each time. */
const noise = (dtype: DataType, shape: readonly number[], seed: number): ConstantData =>
  constantOf(
    dtype,
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233)),
  );

const turned = (x: Tensor): Tensor => x.swapAxes(-1, -2);
const scores = ({ q, k }: Inputs): Tensor => q.mul(0.5).matmul(turned(k));
const attend = (weights: Tensor, { v }: Inputs): Tensor => weights.softmax(-1).matmul(v);

/** −∞ where a key comes after its query. */
const causal = (x: Tensor, lowest = Number.NEGATIVE_INFINITY): Tensor =>
  x.constant(
    Array.from({ length: QUERIES * KEYS }, (_, i) => (i % KEYS > Math.floor(i / KEYS) ? lowest : 0)),
    [QUERIES, KEYS],
  );
const isLater = (x: Tensor): Tensor => causal(x, -1).less(0);
const constant = (x: Tensor, ...shape: number[]): Tensor => x.graph.constant(noise(x.dtype, shape, 9));

const by = (op: string, x: Tensor): Tensor => x.graph.emit(op, [x])[0] as Tensor;

const sameType = (x: Tensor): Tensor => x.graph.emit('Cast', [x], { to: int(ONNX_DTYPE[x.dtype]) })[0] as Tensor;

const cases: Readonly<Record<string, Case>> = {
  plain: { build: (x) => attend(x.q.matmul(turned(x.k)), x) },
  'scaled queries': { build: (x) => attend(scores(x), x) },
  'both scaled': { build: (x) => attend(x.q.mul(0.7).matmul(turned(x.k).mul(0.7)), x) },
  'keys scaled before they are turned': { build: (x) => attend(x.q.matmul(turned(x.k.div(2))), x) },
  'scores divided': { build: (x) => attend(x.q.matmul(turned(x.k)).div(2), x) },
  'scores scaled from the left': {
    build: (x) => attend(x.q.graph.scalar(0.3, x.q.dtype).mul(x.q.matmul(turned(x.k))), x),
  },
  'constant bias of each head': { build: (x) => attend(scores(x).add(constant(x.q, 1, 3, QUERIES, KEYS)), x) },
  'constant bias of each sample': { build: (x) => attend(scores(x).add(constant(x.q, 2, 1, QUERIES, 1)), x) },
  'constant bias of all': { build: (x) => attend(constant(x.q, KEYS).add(scores(x)), x) },
  'constant bias of the size of the scores': {
    build: (x) => attend(scores(x).add(constant(x.q, 2, 3, QUERIES, KEYS)), x),
  },
  'two biases': {
    build: (x) =>
      attend(
        scores(x)
          .add(constant(x.q, 3, QUERIES, KEYS))
          .add(causal(x.q)),
        x,
      ),
  },
  'causal, added': { build: (x) => attend(scores(x).add(causal(x.q)), x) },
  'causal, chosen': { build: (x) => attend(isLater(x.q).where(Number.NEGATIVE_INFINITY, scores(x)), x) },
  'causal, chosen otherwise': {
    build: (x) => attend(isLater(x.q).logicalNot().where(scores(x), Number.NEGATIVE_INFINITY), x),
  },
  'bias with gradient': { bias: [1, 3, QUERIES, KEYS], build: (x) => attend(scores(x).add(x.bias), x) },
  'bias of keys with gradient': { bias: [2, 1, 1, KEYS], build: (x) => attend(x.bias.add(scores(x)), x) },
  'expanded bias': {
    bias: [1, 3, 1, KEYS],
    build: (x) => attend(scores(x).add(x.bias.expand([...HEADS, QUERIES, KEYS])), x),
  },
  'one axis of heads': { outer: [6], build: (x) => attend(scores(x), x) },
  'no axis of heads': { outer: [], build: (x) => attend(scores(x).add(causal(x.q)), x) },
  'three axes of heads': { outer: [2, 1, 3], build: (x) => attend(scores(x).add(constant(x.q, 3, 1, 1)), x) },
  'what does nothing in between': {
    build: (x) => by('Dropout', sameType(by('Identity', sameType(scores(x))).softmax(3))).matmul(x.v),
  },
  'a bias of zeros, of the size of the scores': {
    build: (x) => attend(scores(x).add(x.q.constant(new Float32Array(210), [2, 3, QUERIES, KEYS])), x),
  },
};

interface Built {
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, ConstantData>>;
  readonly names: readonly string[];
}

/** Output y and the gradients of Σ y·w, w noise. */
function built({ build, outer = HEADS, bias = [1] }: Case, dtype: DataType, pass: (graph: Graph) => void): Built {
  const graph = createGraph();
  const shapes = { q: [...outer, QUERIES, WIDTH], k: [...outer, KEYS, WIDTH], v: [...outer, KEYS, VALUES], bias };
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, noise(dtype, shape, i)] as const),
  );
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, dtype, shape)]),
  ) as unknown as Inputs;
  const y = build(inputs);
  const loss = y.mul(graph.constant(noise(dtype, y.shape, 7))).sum();
  graph.output('y', y);
  graph.output('loss', loss);
  pass(graph);
  const wanted = Object.entries(inputs);
  const gradients = gradient(
    loss,
    wanted.map(([, x]) => x),
  );
  for (const [i, [name]] of wanted.entries()) graph.output(`d${name}`, gradients[i] as Tensor);
  return { graph, feeds, names: graph.outputs.map(({ name }) => name) };
}

async function results({ graph, feeds }: Built): Promise<Record<string, number[]>> {
  const given = Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)]));
  const tensors = await withSession(graph, (session) => session.run(given));
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, numbersIn(tensor)]));
}

const internalOps = (graph: Graph): string[] => graph.nodes.filter(({ domain }) => domain !== '').map(({ op }) => op);

/** Bytes of so many scores of double precision. */
const scoresOf = (count: number): number => count * 8;

const blocks = (bytes: number): Omit<ScoreBytes, 'kept'> => ({ heads: bytes, queries: bytes });

const SIZES = {
  kept: { kept: Number.POSITIVE_INFINITY, ...blocks(scoresOf(3 * KEYS)) },
  'at once': { kept: 0, ...blocks(Number.POSITIVE_INFINITY) },
  'a head at a time': { kept: 0, heads: scoresOf(1), queries: scoresOf(QUERIES * KEYS) },
  'two heads at a time': { kept: 0, ...blocks(scoresOf(2 * QUERIES * KEYS)) },
  'three queries at a time': { kept: 0, ...blocks(scoresOf(3 * KEYS + 1)) },
  'less than one query at a time': { kept: 0, ...blocks(1) },
};

describe.each(Object.entries(cases))('%s', (_, test) => {
  let spelledOut: Promise<Record<string, number[]>> | undefined;

  it('becomes one node', () => {
    const { graph } = built(test, 'float32', fuseAttention);
    expect(simplify(graph).nodes.map(({ op }) => op)).not.toContain('Softmax');
    expect(internalOps(graph)).toEqual(['Attention', 'AttentionGrad']);
    expect(internalOps(spellAttention(graph))).toEqual([]);
  });

  it.each(Object.entries(SIZES))('%s: value and gradients', async (_, bytes) => {
    spelledOut ??= results(built(test, 'float64', () => undefined));
    const expected = await spelledOut;
    const { graph, feeds, names } = built(test, 'float64', fuseAttention);
    const found = await results({ graph: simplify(spellAttention(graph, bytes)), feeds, names });
    for (const name of names) expectClose(found[name] ?? [], expected[name] ?? [], 1e-10, name);
  });
});

it('gives the slopes of central differences', async () => {
  const test = cases['bias with gradient'] as Case;
  const { graph, feeds, names } = built(test, 'float64', fuseAttention);
  const [step, direction] = [1e-4, 3];
  await withSession(simplify(spellAttention(graph, SIZES['three queries at a time'])), async (session) => {
    const lossAt = async (name: string, by: number) => {
      const moved = Object.entries(feeds).map(([other, data]) => {
        const values = numbersOf(data).map((value, i) => (name === other && i === direction ? value + by : value));
        return [other, feedOf(constantOf(data.dtype, data.shape, values))] as const;
      });
      return session.run(Object.fromEntries(moved));
    };
    for (const name of ['q', 'k', 'v', 'bias']) {
      const [up, down] = [await lossAt(name, step), await lossAt(name, -step)].map(({ loss }) => numbersIn(loss)[0]);
      const { [`d${name}`]: found } = await lossAt(name, 0);
      expect(numbersIn(found)[direction]).toBeCloseTo(((up as number) - (down as number)) / (2 * step), 7);
    }
  });
  expect(names).toContain('dbias');
});

describe('stays as it is', () => {
  const untouched: Readonly<Record<string, Case['build']>> = {
    'where a hook reads the weights': (x) => {
      const weights = scores(x).softmax(-1);
      return weights.matmul(x.v).add(weights.mean());
    },
    'where a hook reads the scores': (x) => attend(scores(x), x).add(scores(x).mean()),
    'where the weights are an output': (x) => {
      const weights = scores(x).softmax(-1);
      x.q.graph.output('weights', weights);
      return weights.matmul(x.v);
    },
    'with a softmax over another axis': (x) => scores(x).softmax(-2).matmul(x.v),
    'with a factor that is no constant': (x) => attend(scores(x).mul(x.bias), x),
    'with factors of each key': (x) => attend(scores(x).mul(x.q.constant([1, 2, 3, 4, 5])), x),
    'with a bias before the factor': (x) => attend(scores(x).add(constant(x.q, KEYS)).mul(0.5), x),
    'with a bias as large as the scores that is computed': (x) =>
      attend(scores(x).add(x.q.sum([-1], true).mul(x.k.sum([-1]).unsqueeze([2]))), x),
    'with another number than minus infinity under a mask': (x) => attend(isLater(x.q).where(-1e4, scores(x)), x),
    'with keys that heads share': (x) => attend(x.q.matmul(turned(x.k.slice([1], [0], [1]))), x),
    'with values that heads share': (x) =>
      scores(x)
        .softmax(-1)
        .matmul(x.v.slice([1], [0], [1])),
    'without a softmax': (x) => scores(x).matmul(x.v),
  };

  it.each(Object.entries(untouched))('%s', (_, build) => {
    const graph = createGraph();
    const shapes = { q: [...HEADS, QUERIES, WIDTH], k: [...HEADS, KEYS, WIDTH], v: [...HEADS, KEYS, VALUES], bias: [] };
    const inputs = Object.fromEntries(
      Object.entries(shapes).map(([input, shape]) => [input, graph.input(input, 'float32', shape)]),
    ) as unknown as Inputs;
    graph.output('y', build(inputs));
    // What was written twice is one value.
    const simple = simplify(graph);
    fuseAttention(simple);
    expect(internalOps(simple)).toEqual([]);
  });
});

describe('what lives across the backward pass', () => {
  /** Two layers; the gradient comes in as an input, so that what depends on it is the backward pass. */
  const finished = (pass: (graph: Graph) => void, bytes?: ScoreBytes): Graph => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [...HEADS, QUERIES, WIDTH]);
    const layer = (q: Tensor): Tensor => attend(scores({ q, k: q.mul(2) } as Inputs), { v: q.mul(3) } as Inputs);
    const y = layer(layer(x));
    const loss = y.mul(graph.input('w', 'float32', y.shape)).sum();
    pass(graph);
    graph.output('loss', loss);
    graph.output('grad', gradient(loss, [x])[0] as Tensor);
    return simplify(spellAttention(graph, bytes));
  };
  const backwardValues = (graph: Graph): ReadonlySet<Value> =>
    dependents(graph.nodes, [graph.inputs.find(({ name }) => name === 'w') as Value]);
  const isLarge = (value: Value | undefined): boolean =>
    value?.constant === undefined && sizeOf(value?.shape ?? []) >= sizeOf(HEADS) * QUERIES * QUERIES;
  /** Values of the size of all scores that the forward pass leaves to the backward one. */
  const left = (graph: Graph): number => {
    const backward = backwardValues(graph);
    const read = graph.nodes.filter(({ outputs }) => outputs.some((output) => output && backward.has(output)));
    const values = new Set(read.flatMap(({ inputs }) => inputs));
    return [...values].filter((value) => value && !backward.has(value) && isLarge(value)).length;
  };

  it('are the weights of each layer, and they transposed, as the graph is written, and where they are few', () => {
    expect(left(finished(() => undefined))).toBe(4);
    expect(left(finished(fuseAttention))).toBe(4);
  });

  it.each(Object.entries(SIZES).filter(([, { kept }]) => kept === 0))('is nothing of their size: %s', (_, bytes) => {
    expect(left(finished(fuseAttention, bytes))).toBe(0);
  });

  it('is one block of scores at a time, in whatever order nodes run', () => {
    const graph = finished(fuseAttention, { kept: 0, ...blocks(3 * QUERIES * 4) });
    const backward = backwardValues(graph);
    const again = graph.nodes.filter(({ op, outputs: [y] }) => op === 'Softmax' && y && backward.has(y));
    const readers = readersOf(graph);
    expect(again).toHaveLength(2 * sizeOf(HEADS) * 3);
    for (const [i, { outputs }] of again.slice(1).entries()) {
      const weights = again[i]?.outputs[0] as Value;
      const ofScores = readers.get(weights)?.find(({ op }) => op === 'Mul')?.outputs[0] as Value;
      const products = [weights, ofScores].flatMap((value) => readers.get(value) ?? []);
      expect(products.length).toBeGreaterThan(3);
      for (const product of products) {
        expect(dependents(graph.nodes, [product.outputs[0] as Value])).toContain(outputs[0]);
      }
    }
  });
});

it('computes no gradient that is not wanted', () => {
  const graph = createGraph();
  const [q, k, v] = [
    [QUERIES, WIDTH],
    [KEYS, WIDTH],
    [KEYS, VALUES],
  ].map((shape, i) => graph.input(`x${i}`, 'float32', [...HEADS, ...shape])) as [Tensor, Tensor, Tensor];
  const loss = attend(scores({ q, k } as Inputs), { v } as Inputs).sum();
  fuseAttention(graph);
  graph.output('grad', gradient(loss, [q])[0] as Tensor);
  const { nodes } = simplify(spellAttention(graph, SIZES['at once']));
  // Scores and output; scores again, dP and dS·k.
  expect(nodes.filter(({ op }) => op === 'MatMul')).toHaveLength(5);
});
