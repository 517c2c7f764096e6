/**
 * Random draws of a training step: every random node becomes an input that is fed from a generator named by seed and
 * step, so that a run can be repeated and continued exactly.
 */
import { attributesOf, type Graph, type Node, type Shape, sizeOf, Tensor, uniqueName } from '../graph/index.js';
import { operatorOf } from '../ops/index.js';
import { rewriteGraph } from '../passes/index.js';
import { Generator } from '../random/index.js';
import type { HostTensor } from '../runtime/index.js';

/** Sets the draws of steps apart from those of a data loader with the same seed, whose epochs are not negative. */
const DRAWS = -1;

/** A draw the graph asks for. */
interface Draw {
  readonly name: string;
  readonly shape: Shape;
  /** Uniform in [0, 1), or of mean 0 and standard deviation 1. */
  readonly kind: 'uniform' | 'normal';
}

/** Replaces, in place, the graph's random nodes by inputs, and what brings those to the distribution asked for. */
export function feedRandomness(graph: Graph): Draw[] {
  const draws: Draw[] = [];
  const taken = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const { inputs, outputs, nodes } = rewriteGraph(graph, (node, read, target) => {
    if (!operatorOf(node)?.random) return undefined;
    const { dtype, shape } = new Tensor(target, node.outputs[0] as Tensor['value']);
    const kind = node.op.startsWith('RandomNormal') ? 'normal' : 'uniform';
    const draw: Draw = { name: uniqueName(`random:${draws.length}`, taken), shape, kind };
    draws.push(draw);
    return [distributed(node, target.input(draw.name, 'float32', shape), read[0]).cast(dtype)];
  });
  Object.assign(graph, { inputs, outputs, nodes });
  return draws;
}

/** RandomUniform: low + (high − low)·u. RandomNormal: mean + scale·n. Bernoulli: 1 where u < p, else 0. */
function distributed(node: Node, drawn: Tensor, p: Tensor | undefined): Tensor {
  const read = attributesOf(node);
  if (node.op === 'Bernoulli') return drawn.less((p as Tensor).cast('float32'));
  const isNormal = node.op.startsWith('RandomNormal');
  const low = isNormal ? read.float('mean', 0) : read.float('low', 0);
  const width = isNormal ? read.float('scale', 1) : read.float('high', 1) - low;
  const scaled = width === 1 ? drawn : drawn.mul(width);
  return low === 0 ? scaled : scaled.add(low);
}

/** Numbers for the draws of one step. */
export function drawAll(draws: readonly Draw[], seed: number, step: number): Record<string, HostTensor> {
  return Object.fromEntries(
    draws.map(({ name, shape, kind }, i) => {
      const generator = new Generator(seed, DRAWS, step, i);
      const data = new Float32Array(sizeOf(shape));
      for (let j = 0; j < data.length; j += 1) data[j] = generator[kind]();
      return [name, { dtype: 'float32', dims: shape, data }];
    }),
  );
}
