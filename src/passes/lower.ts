/** Makes a finished graph fit for an execution provider: rewrites, and nodes that the provider must leave to the CPU. */
import type { Graph } from '../graph/index.js';
import type { Provider } from '../runtime/index.js';
import { firstOf, rewriteGraph } from './transcribe.js';
import { staysOnCpu, webgpuRewrites } from './webgpu.js';

/** A graph for one execution provider. */
export interface Lowered {
  readonly graph: Graph;
  /** Names of the nodes that the provider must not take. */
  readonly onCpu: readonly string[];
}

/** The graph as the provider computes it rightly; the same graph where nothing is known against it. */
export function lower(graph: Graph, provider: Provider): Lowered {
  if (provider !== 'webgpu') return { graph, onCpu: [] };
  const lowered = rewriteGraph(graph, firstOf(webgpuRewrites()));
  return { graph: lowered, onCpu: lowered.nodes.filter(staysOnCpu).map(({ name }) => name) };
}
