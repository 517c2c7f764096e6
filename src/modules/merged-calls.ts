/**
 * Calls that an exporter wrote once because their inputs are the same: every block of a diffusion model applies its own
 * SiLU to the same embedding of the time. The file keeps the call of the first block, and the layer of each other block
 * that reads it says which call of its own it stands for.
 */
import type { Node, Value } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';

interface Call {
  readonly path: string;
  readonly qualifiedClass?: string;
  readonly leaf: boolean;
  readonly output: Value;
  readonly nodes: readonly Node[];
}

/** A call that the file does not have. */
export interface MergedCall<Found extends Call> {
  /** The call of the same kind in another block that computes its output. */
  readonly written: Found;
  readonly path: string;
  /** The first node behind it. */
  readonly before: Node;
}

/** Finds the calls that others stand for. */
export function mergedCalls<Found extends Call>(calls: readonly Found[], flow: DataFlow): MergedCall<Found>[] {
  const classes = new Map(calls.map(({ path, qualifiedClass }) => [path, qualifiedClass]));
  const leaves = calls.filter(({ leaf }) => leaf);
  const leafOf = new Map(leaves.flatMap((call) => call.nodes.map((node) => [node, call] as const)));
  return leaves.flatMap((written) => {
    const { parent: block, name } = split(written.path);
    const readers = new Set(flow.readers(written.output).flatMap((node) => leafOf.get(node) ?? []));
    const parts = Array.from(readers, ({ path }) => path).filter((path) => path.startsWith(`${block}.`));
    return Array.from(readers).flatMap(({ path, nodes }) => {
      const part = parts.find((own) => path.endsWith(own.slice(block.length)))?.slice(block.length);
      const other = part && path.slice(0, -part.length);
      if (!other || other === block || !isSameKind(block, other, name, classes)) return [];
      return [{ written, path: `${other}.${name}`, before: nodes[0] as Node }];
    });
  });
}

/** By the class of both blocks where the file has it, by their numbered paths, or by the part that both call elsewhere. */
function isSameKind(
  block: string,
  other: string,
  part: string,
  classes: ReadonlyMap<string, string | undefined>,
): boolean {
  const className = classes.get(block);
  // Children of a container are numbered whatever they are.
  const isOwn = className !== undefined && !className.startsWith('torch.nn.');
  const kind = (path: string): string => path.replaceAll(/\d+/g, '#');
  return (
    (isOwn && classes.get(other) === className) ||
    kind(block) === kind(other) ||
    (!/^\d+$/.test(part) && classes.has(`${other}.${part}`))
  );
}

function split(path: string): { parent: string; name: string } {
  const dot = path.lastIndexOf('.');
  return { parent: path.slice(0, Math.max(0, dot)), name: path.slice(dot + 1) };
}
