/** Makes a finished graph fit for an execution provider. */
import type { Graph } from '../graph/index.js';
import type { Provider } from '../runtime/index.js';
import { heldInOrder } from './memory/index.js';
import { type Lowered, lowerForWebgpu } from './webgpu/index.js';

/** The graph as the provider computes it rightly; the same graph where nothing is known against it. */
export const lower = (graph: Graph, provider: Provider): Lowered =>
  provider === 'webgpu' ? lowerForWebgpu(graph) : { graph: heldInOrder(graph), onCpu: [] };
