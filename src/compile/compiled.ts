/** A finished graph as ONNX Runtime is given it on the CPU. */
import { type ConstantData, type Graph, typedArray, type Value } from '../graph/index.js';
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

/** A graph without what images of other sizes have otherwise. */
export interface SizesApart {
  /** Constants that become inputs. */
  readonly given: readonly Value[];
  /** What tells it apart from graphs that differ in them alone; undefined where that cannot be said. */
  readonly structure: string | undefined;
}

/**
 * Sets apart, in place, what sizes decide in a graph whose nodes are not put into order yet: that depends on sizes too.
 * @param gradients its outputs that are gradients. @param known constants that are to be set apart, whatever reads them
 * @returns undefined where a session of the graph can serve no other size
 */
export function sizesApart(
  graph: Graph,
  gradients: readonly string[],
  known: ReadonlySet<Value>,
): SizesApart | undefined {
  const { contents } = platform;
  const given = contents && openSizes(graph, gradients, known);
  const text = given && describedStructure(graph, given, contents);
  return given && { given, structure: text && contents.digest([text]) };
}

/** The same where a budget of memory has decided what is computed in which order, and what twice: a session of another order may take more. */
export const inThisOrder = ({ given, structure }: SizesApart, { nodes }: Graph): SizesApart => ({
  given,
  structure: structure && platform.contents?.digest([structure, ...nodes.map(({ op }) => op)]),
});

/** What every run is given, by the names of inputs. */
export const sizesOf = ({ given }: SizesApart): Compiled['sizes'] =>
  new Map(given.map(({ name, constant }) => [name, constant as ConstantData]));

/** @param apart what was set apart, where a session for it may serve images of other sizes */
export function compiled(finished: Graph, cost: MemoryCost, apart?: SizesApart): Compiled {
  const { graph } = lower(finished, 'cpu');
  const written = writtenGraph(graph, requiredOpset(graph), { frugal: isLarge(cost), given: apart?.given });
  return { ...cost, written, sizes: apart ? sizesOf(apart) : new Map(), structure: apart?.structure };
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
