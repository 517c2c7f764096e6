/** A finished graph as ONNX Runtime is given it on the CPU. */
import { type ConstantData, type Graph, typedArray } from '../graph/index.js';
import { requiredOpset } from '../ops/index.js';
import { lower, openSizes } from '../passes/index.js';
import { type HostTensor, platform, type WrittenGraph, writtenGraph } from '../runtime/index.js';
import { describedStructure } from './described.js';
import { isLarge, type MemoryCost } from './memory-budget.js';

/** A graph that can be opened, and what it is estimated to take. */
export interface Compiled extends MemoryCost {
  readonly written: WrittenGraph;
  /** What every run is given, by the names of inputs. */
  readonly sizes: ReadonlyMap<string, ConstantData>;
  /** What tells it apart from graphs that differ in their sizes alone; undefined where none is looked for. */
  readonly structure: string | undefined;
}

/** @param gradients its outputs that are gradients, where a session for it may serve images of other sizes */
export function compiled(finished: Graph, cost: MemoryCost, gradients?: readonly string[]): Compiled {
  const { contents } = platform;
  const given = gradients && contents && openSizes(finished, gradients);
  const text = given && describedStructure(finished, given, contents);
  const { graph } = lower(finished, 'cpu');
  const written = writtenGraph(graph, requiredOpset(graph), { frugal: isLarge(cost), given });
  const sizes = new Map(given?.map(({ name, constant }) => [name, constant as ConstantData]));
  return {
    ...cost,
    written,
    sizes,
    structure: text && contents?.digest([text, JSON.stringify(written.optimizations)]),
  };
}

/** The same as tensors. */
export const fed = (sizes: Compiled['sizes']): Record<string, HostTensor> =>
  Object.fromEntries(
    Array.from(sizes, ([name, { dtype, shape, bytes }]) => [
      name,
      // A view would be sent to the worker with all that it is a view of.
      { dtype, dims: shape, data: typedArray(dtype, new Uint8Array(bytes)) },
    ]),
  );
