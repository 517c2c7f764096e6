/** Layers that an exporter writes in as many nodes as they have sides or steps, so that no list of operators names them. */
import { attributesOf, type Node, numbersOf, type Value } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { spatialRank } from './rank.js';

/** Class of a leaf module of this kind; `undefined` for any other. */
export const matchComposite = (nodes: readonly Node[], flow: DataFlow): string | undefined =>
  circular(nodes, flow) ?? recurrent(nodes) ?? shapeOnly(nodes);

/** The end of an axis is put before it and the beginning behind it, for each axis; a convolution may follow. */
function circular(nodes: readonly Node[], flow: DataFlow): string | undefined {
  const pads = nodes.filter(({ op }) => op === 'Concat');
  const [conv, ...others] = nodes.filter(({ op }) => op !== 'Concat' && op !== 'Slice');
  if (pads.length === 0 || !nodes.some(({ op }) => op === 'Slice') || others.length > 0 || !pads.every(repeatsEnds))
    return undefined;
  if (conv) return conv.op === 'Conv' ? `Conv${spatialRank(conv, flow)}d` : undefined;
  return `CircularPad${Math.max(...pads.map((pad) => attributesOf(pad).int('axis', 0))) - 1}d`;
}

/** True for a tensor beside slices of itself, if there are any. */
function repeatsEnds({ inputs }: Node): boolean {
  const slices = inputs.flatMap((part) => (part?.producer?.op === 'Slice' ? [part.producer] : []));
  const [whole, ...others] = inputs.filter((part) => part?.producer?.op !== 'Slice');
  return others.length === 0 && slices.every((slice) => slice.inputs[0] === whole);
}

/** What stands between the layers of a recurrent module, and around them. */
const ARRANGING = new Set(['Transpose', 'Squeeze', 'Reshape']);

/** One kind of recurrent operator in any number of layers. */
function recurrent(nodes: readonly Node[]): string | undefined {
  const kinds = new Set(nodes.flatMap(({ op }) => (ARRANGING.has(op) ? [] : [op])));
  const [kind, ...others] = kinds;
  return others.length === 0 && /^(LSTM|GRU|RNN)$/.test(kind ?? '') ? kind : undefined;
}

/** A view: Unflatten puts several sizes where one was, Flatten one for several. */
function shapeOnly(nodes: readonly Node[]): string | undefined {
  const [view, ...others] = nodes;
  if (view?.op !== 'Reshape' || others.length > 0) return undefined;
  const parts = view.inputs[1]?.producer?.op === 'Concat' ? view.inputs[1].producer.inputs : [];
  return parts.some((part) => sizesOf(part).length > 1) ? 'Unflatten' : 'Flatten';
}

const sizesOf = (value: Value | undefined): number[] => (value?.constant ? numbersOf(value.constant) : []);
