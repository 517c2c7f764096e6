/**
 * Attention in standard operators. Scores that are large are computed by blocks, and once more for the gradient: nothing of the size
 * of all of them is ever there, and none of it lives from the forward pass to the backward one.
 */
import {
  bytesPerElement,
  type Graph,
  INTERNAL_DOMAIN,
  type Node,
  readersOf,
  sizeOf,
  type Tensor,
  type Value,
} from '../../graph/index.js';
import { rewriteGraph } from '../transcribe.js';
import { BlockedAttention } from './blocks.js';
import { attended, gradientOfKept, headsOf } from './heads.js';

/** Bytes of scores. */
export interface ScoreBytes {
  /** Up to so many, those of the forward pass are kept for the gradient. Computing them again takes 5 to 7 % longer. */
  readonly kept: number;
  /** So many of several heads are computed at a time. */
  readonly heads: number;
  /** So many of one head: the fewer blocks, the sooner a session opens, and what is alive at once where most is hardly depends on them. */
  readonly queries: number;
}

const BYTES: ScoreBytes = { kept: 2 ** 22, heads: 2 ** 23, queries: 2 ** 25 };

const isInternal = ({ op, domain }: Node, name: string): boolean => domain === INTERNAL_DOMAIN && op === name;

/** The graph without nodes for attention; without its nodes, the same graph. @param bytes For tests. */
export function spellAttention(graph: Graph, bytes: ScoreBytes = BYTES): Graph {
  if (!graph.nodes.some((node) => isInternal(node, 'Attention'))) return graph;
  const readers = readersOf(graph);
  const isRead = (value: Value | undefined): boolean => value !== undefined && readers.has(value);
  // Where the gradient of a bias is wanted, that of all scores is there anyway.
  const keeps = (gradient: Node): boolean =>
    bytesOfScores(gradient) <= bytes.kept || gradient.outputs.slice(3).some(isRead);
  const isKept = ({ outputs: [output] }: Node): boolean =>
    (readers.get(output as Value) ?? []).some(
      (reader) => isInternal(reader, 'AttentionGrad') && reader.inputs[0] === output && keeps(reader),
    );
  return rewriteGraph(graph, (node, inputs) => {
    if (isInternal(node, 'Attention')) {
      const heads = headsOf(node, inputs as Tensor[]);
      return [isKept(node) ? attended(heads) : new BlockedAttention(heads, bytes).output()];
    }
    if (!isInternal(node, 'AttentionGrad')) return undefined;
    const [y, dy, ...rest] = inputs as [Tensor, Tensor, ...Tensor[]];
    const heads = headsOf(node, rest);
    const output = { y, dy };
    if (keeps(node)) return gradientOfKept(heads, output);
    // What nothing reads is left out.
    return new BlockedAttention(heads, bytes).gradient(output, node.outputs.map(isRead)) as Tensor[];
  });
}

function bytesOfScores({ inputs: [, , q, k] }: Node): number {
  const [rows, columns] = [sizeOf(q?.shape?.slice(0, -1) ?? []), k?.shape?.at(-1) ?? 0];
  return rows * columns * bytesPerElement(q?.dtype ?? 'float32');
}
