/** Which graphs hold operators that have to be spelled out in others; what does so is loaded for them alone. */
import type { Body } from '../graph/index.js';

/** Operators of the newest operator sets, or of ONNX Runtime under the standard domain. */
export type NewerOperator = 'Attention' | 'RotaryEmbedding' | 'SimplifiedLayerNormalization';

const NEWER: Readonly<Record<NewerOperator, true>> = {
  Attention: true,
  RotaryEmbedding: true,
  SimplifiedLayerNormalization: true,
};

/** Whether a graph, or one inside it, has operators of other domains, or newer ones. */
export const hasOthers = ({ nodes }: Body): boolean =>
  nodes.some(
    ({ op, domain, attributes }) =>
      domain !== '' ||
      Object.hasOwn(NEWER, op) ||
      Object.values(attributes).some(({ kind, value }) => kind === 'graph' && hasOthers(value)),
  );
