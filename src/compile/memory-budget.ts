/** How much memory a program may take, what it computes again for that, and what is said about it. */
import { GlobalPercError, type Graph } from '../graph/index.js';
import { memoryUse, Recomputation } from '../passes/index.js';
import { platform } from '../runtime/index.js';

/** Without a budget, what is computed again takes at most this share of the time. */
const CHEAP = 0.02;

/** Without a budget, looking for more ends where it has saved less than this share of all: it takes longer than a step. */
const WORTH = 0.01;

/** From so many bytes on it counts what a program takes. */
const LARGE = 2 ** 26;

/** From this share of what is free on, a program is worth a warning. */
const WARNED_FROM = 0.8;

/** What a program takes. */
export interface MemoryCost {
  readonly bytes: number;
  /** What it would take otherwise, and the share of time that it takes more, where it keeps within a budget that way. */
  readonly saved: { readonly from: number; readonly time: number } | undefined;
}

/** Whether it counts what a program takes. */
export const isLarge = ({ bytes }: MemoryCost): boolean => bytes > LARGE;

/**
 * Has a graph compute values again, as far as its budget demands; without a budget, as far as it costs next to nothing.
 * @param owner what is to run it, e.g. `loss`.
 * @throws GlobalPercError when nothing keeps within the budget: it names the least that something does.
 */
export function keepWithin(graph: Graph, budget: number | undefined, owner: string): MemoryCost {
  const bytes = memoryUse(graph);
  if (bytes <= (budget ?? LARGE)) return { bytes, saved: undefined };
  const recomputation = new Recomputation(graph);
  if (budget === undefined) return { bytes: cheapest(recomputation), saved: undefined };
  let fewest = bytes;
  while (recomputation.cost.bytes > budget) {
    const isMore = recomputation.round(budget);
    fewest = Math.min(fewest, recomputation.cost.bytes);
    if (!isMore) throw unreachable(owner, { bytes, fewest, budget });
  }
  const { cost } = recomputation;
  return { bytes: cost.bytes, saved: { from: bytes, time: cost.time } };
}

function unreachable(
  owner: string,
  { bytes, fewest, budget }: Record<'bytes' | 'fewest' | 'budget', number>,
): GlobalPercError {
  return new GlobalPercError(
    `memory: this ${owner} takes ${size(bytes)}, and with all computed again that can be ${size(fewest)}, more than the ${size(budget)} allowed: ` +
      `take { memory: '${size(fewest)}' }, smaller images or batches, or fewer hooks`,
    { code: 'invalid-option' },
  );
}

/** Says what a budget costs, and warns where a program takes most of what is free. @param graph the program, where it is there: a budget that works is named. */
export function say({ bytes, saved }: MemoryCost, owner: string, graph?: Graph): void {
  if (saved) {
    const more = Math.round(100 * saved.time);
    console.info(
      `globalperc: memory of this ${owner} ${size(saved.from)} -> ${size(bytes)} for about ${more} % more time`,
    );
  }
  const free = platform.memory.free();
  if (bytes < WARNED_FROM * free) return;
  console.warn(
    `globalperc: this ${owner} needs about ${size(bytes)} of memory, and ${size(free)} are free: ` +
      `${graph ? remedy(graph, bytes) : ''}take smaller images or batches${owner === 'loss' ? ', or tiles of them (nn.TiledLoss)' : ''}, or fewer hooks`,
  );
}

/** A budget that works, if there is a smaller one. */
function remedy(graph: Graph, bytes: number): string {
  const recomputation = new Recomputation(graph);
  const back = recomputation.snapshot();
  const fewest = leastOf(recomputation);
  back();
  return size(fewest) === size(bytes) ? '' : `{ memory: '${size(fewest)}' } computes more of it again, or `;
}

/** Computes again what costs next to nothing and saves something. @returns what is needed then. */
function cheapest(recomputation: Recomputation): number {
  const { bytes } = recomputation.cost;
  const back = recomputation.snapshot();
  const isMore = recomputation.round(0);
  const { bytes: fewer, time } = recomputation.cost;
  if (isMore && time <= CHEAP && fewer < bytes) return bytes - fewer < WORTH * bytes ? fewer : cheapest(recomputation);
  back();
  return bytes;
}

/** Goes on until there is nothing more to compute again, and back to where least was needed. @returns that. */
function leastOf(recomputation: Recomputation): number {
  let fewest = recomputation.cost.bytes;
  let back = recomputation.snapshot();
  while (recomputation.round(0)) {
    if (recomputation.cost.bytes >= fewest) continue;
    fewest = recomputation.cost.bytes;
    back = recomputation.snapshot();
  }
  back();
  return fewest;
}

/** Bytes as `memory` takes them, rounded up. */
const size = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)}MB`;
