/**
 * Random draws of a training step: every random node becomes an input that is fed from a generator named by seed and
 * step, so that a run can be repeated and continued exactly.
 */
import { type Graph, type Shape, sizeOf, type Value } from '../graph/index.js';
import { operatorOf } from '../ops/index.js';
import { neededNodes } from '../passes/index.js';
import { Generator } from '../random/index.js';
import type { HostTensor } from '../runtime/index.js';

/** Sets the draws of steps apart from those of a data loader with the same seed, whose epochs are not negative. */
const DRAWS = -1;

/** A draw the graph asks for. */
interface Draw {
  readonly name: string;
  readonly shape: Shape;
}

/** Replaces, in place, the graph's random nodes by inputs; what no output depends on is dropped before. */
export function feedRandomness(graph: Graph): Draw[] {
  graph.nodes = neededNodes(graph, graph.outputs, new Map());
  const drawn = graph.nodes.filter((node) => operatorOf(node)?.random);
  graph.nodes = graph.nodes.filter((node) => !drawn.includes(node));
  return drawn.map((node, i) => {
    const value = node.outputs[0] as Value;
    value.name = `random:${i}`;
    delete value.producer;
    graph.inputs.push(value);
    return { name: value.name, shape: value.shape ?? [] };
  });
}

/** Uniform numbers in [0, 1) for the draws of one step. */
export function drawAll(draws: readonly Draw[], seed: number, step: number): Record<string, HostTensor> {
  return Object.fromEntries(
    draws.map(({ name, shape }, i) => {
      const generator = new Generator(seed, DRAWS, step, i);
      const data = new Float32Array(sizeOf(shape));
      for (let j = 0; j < data.length; j += 1) data[j] = generator.uniform();
      return [name, { dtype: 'float32', dims: shape, data }];
    }),
  );
}
