/** Order and recomputation: less is alive at once, numbers stay the same, and ONNX Runtime computes in that order. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { checkGraph } from '../../src/graph/check.js';
import { constantOf, type Graph, int, type Node, Tensor, type Value } from '../../src/graph/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { heldInOrder, lower, memoryUse, Recomputation, schedule } from '../../src/passes/index.js';
import { Generator } from '../../src/random/index.js';
import { type HostTensor, runSteps, Session, type SessionOptions } from '../../src/runtime/index.js';

const N = 64;
const BYTES = 4 * N * N;

const weight = (graph: Graph, seed: number): Tensor => {
  const generator = new Generator(seed);
  return graph.constant(
    constantOf(
      'float32',
      [N, N],
      Array.from({ length: N * N }, () => generator.normal() / Math.sqrt(N)),
    ),
  );
};

const feed = (seed: number): HostTensor => {
  const generator = new Generator(seed);
  return { dtype: 'float32', dims: [N, N], data: Float32Array.from({ length: N * N }, () => generator.normal()) };
};

/** Loss, and gradient, of two branches through the same layers, compared behind each. */
function compared(layers: number, withGradient = true): Graph {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [N, N]);
  const weights = Array.from({ length: layers }, (_, i) => weight(graph, i));
  const walk = (start: Tensor): Tensor[] => {
    const found = [start];
    for (const w of weights) found.push((found.at(-1) as Tensor).matmul(w).sigmoid());
    return found.slice(1);
  };
  const ours = walk(x);
  const theirs = walk(graph.input('y', 'float32', [N, N]));
  const loss = ours
    .map((a, i) =>
      a
        .sub(theirs[i] as Tensor)
        .square()
        .mean(),
    )
    .reduce((sum, each) => sum.add(each));
  graph.output('loss', loss);
  if (withGradient) graph.output('grad', gradient(loss, [x])[0] as Tensor);
  return graph;
}

const inputs = { x: feed(100), y: feed(101) };

async function results(
  graph: Graph,
  feeds: Readonly<Record<string, HostTensor>> = inputs,
  options: SessionOptions = {},
) {
  const session = await runSteps(
    Session.open(lower(graph, 'cpu').graph, requiredOpset(graph), { intraOpNumThreads: 1, ...options }),
  );
  try {
    return await runSteps(session.run(feeds));
  } finally {
    await runSteps(session.dispose());
  }
}

/** Computes again all that can be, and goes back to the least. */
function smallest(graph: Graph): Recomputation {
  const recomputation = new Recomputation(graph);
  let back = recomputation.snapshot();
  let least = recomputation.cost.bytes;
  while (recomputation.round(0)) {
    if (recomputation.cost.bytes >= least) continue;
    least = recomputation.cost.bytes;
    back = recomputation.snapshot();
  }
  back();
  return recomputation;
}

describe('the order', () => {
  it('takes layers one after the other: without a gradient, no more is alive for more of them', () => {
    const alive = [4, 12].map((layers) => {
      const graph = compared(layers, false);
      schedule(graph);
      checkGraph(graph);
      return memoryUse(graph) - layers * BYTES;
    });
    expect(alive[1]).toBe(alive[0]);
  });

  it('with one, a hook keeps its gradient, and not both activations', () => {
    const graph = createGraph();
    const walk = (name: string): Tensor[] => {
      const found = [graph.input(name, 'float32', [N, N])];
      for (let layer = 0; layer < 12; layer += 1) found.push((found.at(-1) as Tensor).matmul(weight(graph, layer)));
      return found;
    };
    const [ours, theirs] = [walk('x'), walk('y')];
    const parts = ours.slice(1).map((a, i) =>
      a
        .mul(theirs[i + 1] as Tensor)
        .sum()
        .exp(),
    );
    const loss = parts.reduce((sum, part) => sum.add(part));
    const x = ours[0] as Tensor;
    graph.output('grad', gradient(loss, [x])[0] as Tensor);
    const before = memoryUse(graph);
    schedule(graph);
    checkGraph(graph);
    expect(before - memoryUse(graph)).toBeGreaterThan(10 * BYTES);
  });
});

describe('computing again', () => {
  it('takes less memory and some time, and gives the same numbers', async () => {
    const expected = await results(compared(12));
    const graph = compared(12);
    schedule(graph);
    const before = memoryUse(graph);
    const { cost } = smallest(graph);
    checkGraph(graph);
    expect(cost.bytes).toBe(memoryUse(graph));
    expect(cost.bytes - 12 * BYTES).toBeLessThan(0.8 * (before - 12 * BYTES));
    expect(cost.time).toBeGreaterThan(0);
    expect(cost.time).toBeLessThan(1);
    expect(await results(graph)).toEqual(expected);
  });

  it('keeps within a budget without more than that needs', () => {
    const shares = [0.95, 0.9, 0.85].map((share) => {
      const graph = compared(12);
      schedule(graph);
      const budget = share * memoryUse(graph);
      const recomputation = new Recomputation(graph);
      while (recomputation.cost.bytes > budget && recomputation.round(budget));
      expect(recomputation.cost.bytes).toBeLessThanOrEqual(budget);
      return recomputation.cost.time;
    });
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
  });

  it('comes back to what was', () => {
    const graph = compared(6);
    schedule(graph);
    const nodes = graph.nodes.map((node) => [node, [...node.inputs]] as const);
    const recomputation = new Recomputation(graph);
    const back = recomputation.snapshot();
    expect(recomputation.round(0)).toBe(true);
    back();
    expect(graph.nodes.map((node) => [node, [...node.inputs]])).toEqual(nodes);
  });

  it('draws nothing twice', () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [N, N]);
    let y = x;
    for (let layer = 0; layer < 6; layer += 1) {
      const noise = graph.emit('RandomUniformLike', [y], { dtype: int(1) })[0] as Tensor;
      y = y.matmul(weight(graph, layer)).sigmoid().mul(noise.greater(0.5).cast('float32'));
    }
    const loss = y.square().mean();
    graph.output('grad', gradient(loss, [x])[0] as Tensor);
    schedule(graph);
    const before = graph.nodes.length;
    smallest(graph);
    expect(graph.nodes.length).toBeGreaterThan(before);
    expect(graph.nodes.filter(({ op }) => op === 'RandomUniformLike')).toHaveLength(6);
  });

  it.each(Array.from({ length: 6 }, (_, seed) => seed))(
    'drawn graph %i: the same numbers, in no more memory',
    async (seed) => {
      const drawn = () => {
        const generator = new Generator(seed, 7);
        const graph = createGraph();
        const leaves = ['x', 'y'].map((name) => graph.input(name, 'float32', [N, N]));
        const values = [...leaves];
        const any = (): Tensor => values[Math.floor(generator.uniform() * values.length)] as Tensor;
        for (let i = 0; i < 16; i += 1) {
          const [a, b] = [any(), any()];
          const made = [
            () => a.matmul(weight(graph, i)).sigmoid(),
            () => a.mul(b),
            () => a.add(b).relu(),
            () =>
              a
                .reshape([N * N])
                .exp()
                .reshape([N, N])
                .sigmoid(),
            () => a.sub(b.mean([1], true)),
            () => a.softmax(-1),
          ][Math.floor(generator.uniform() * 6)] as () => Tensor;
          values.push(made());
        }
        const loss = values
          .slice(2)
          .map((value) => value.square().mean())
          .reduce((sum, each) => sum.add(each));
        graph.output('loss', loss);
        for (const [i, each] of gradient(loss, leaves).entries()) graph.output(`grad${i}`, each);
        return graph;
      };
      const graph = drawn();
      schedule(graph);
      const expected = await results(graph);
      checkGraph(graph);
      const before = memoryUse(graph);
      smallest(graph);
      checkGraph(graph);
      expect(memoryUse(graph)).toBeLessThanOrEqual(before);
      expect(await results(graph)).toEqual(expected);
    },
  );
});

describe('ONNX Runtime', () => {
  /** The nodes of a graph in the order in which they run. */
  async function orderOf(graph: Graph): Promise<string[]> {
    const folder = await mkdtemp(join(tmpdir(), 'globalperc-order-'));
    try {
      const path = join(folder, 'run.onnx');
      await results(graph, inputs, { optimizedModelFilePath: path, graphOptimizationLevel: 'basic' });
      const { nodes } = await readOnnx(createGraph(), await readFile(path), { source: path });
      return nodes.map(({ name }) => name);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it('computes values of a layer before those of the next, and again when the gradient has come there', async () => {
    const graph = compared(8);
    schedule(graph);
    smallest(graph);
    const order = await orderOf(graph);
    const isProduct = ({ op }: Node): boolean => op === 'MatMul';
    const wanted = graph.nodes.filter(isProduct).map(({ name }) => name);
    const found = order.filter((name) => wanted.includes(name));
    expect(wanted.some((name) => name.endsWith('.again'))).toBe(true);
    // Of neighbours that do not need each other, either may be first.
    const shifts = found.map((name, i) => Math.abs(wanted.indexOf(name) - i));
    expect(found).toHaveLength(wanted.length);
    expect(Math.max(...shifts)).toBeLessThan(4);
  });

  it('holds no more than the order takes, though not all is marked', async () => {
    const graph = compared(8, false);
    schedule(graph);
    const order = await orderOf(graph);
    const found = graph.nodes.filter(({ name }) => order.includes(name));
    expect(found.length).toBeGreaterThan(0.7 * graph.nodes.length);
    const placeOf = (node: Node): number => {
      const place = order.indexOf(node.name);
      if (place >= 0) return place;
      // What is fused is computed for the first that reads it.
      const readers = graph.nodes.filter(({ inputs }) => inputs.some((input) => input && node.outputs.includes(input)));
      return Math.min(...readers.map(placeOf)) - 0.5;
    };
    const taken = Object.assign(createGraph(), graph, {
      nodes: graph.nodes.toSorted((a, b) => placeOf(a) - placeOf(b)),
    });
    expect(memoryUse(taken)).toBeLessThan(1.1 * memoryUse(graph));
  });

  it('does without marks of values that hold next to nothing', () => {
    const graph = compared(4);
    const mean = new Tensor(graph, graph.inputs[0] as Value).mean();
    graph.output('last', mean.mul(new Tensor(graph, graph.outputs[0] as Value)));
    schedule(graph);
    const marked = heldInOrder(graph)
      .nodes.slice(graph.nodes.length)
      .flatMap(({ inputs }) => inputs);
    expect(marked.length).toBeGreaterThan(4);
    expect(marked).not.toContain(mean.value);
  });

  it('is told so by nodes that nothing reads, at the end', () => {
    const graph = compared(4);
    schedule(graph);
    const { nodes } = heldInOrder(graph);
    expect(nodes.slice(0, graph.nodes.length)).toEqual(graph.nodes);
    const marks = nodes.slice(graph.nodes.length);
    const places = marks.map(({ inputs: [value] }) => graph.nodes.indexOf(value?.producer as Node));
    expect(places).toEqual([...places].sort((a, b) => b - a));
    expect(marks.length).toBeGreaterThan(4);
  });
});
