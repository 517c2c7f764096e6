/** Normalisations of com.microsoft: with a skip connection before them, or in the layout NHWC. */
import { float, int, type Value } from '../../graph/index.js';
import type { Draft, Expansion, Expansions } from '../draft.js';
import { unsqueezedTo } from '../shapes.js';
import { silu } from './activation.js';
import { channelsFirst, channelsLast } from './fused.js';

/** x/√(mean x² + ε)·scale over the dimensions from `axis` on; ONNX Runtime writes it as if it were a standard operator. */
const simplifiedLayerNormalization: Expansion = (draft) => {
  const [x, scale] = draft.inputs as [Value, Value];
  return [rmsNormalization(draft, x, scale, { axis: draft.read.int('axis', -1), epsilon: 1e-5 })];
};

function rmsNormalization(draft: Draft, x: Value, scale: Value, { axis = -1, epsilon = 0 }): Value {
  const attributes = { axis: int(axis), epsilon: float(draft.read.float('epsilon', epsilon)) };
  return draft.prepend('RMSNormalization', [x, scale], attributes);
}

/** y = LayerNorm(input + bias + skip), the bias being that of the layer before; the sum is the fourth output. */
const skipLayerNormalization: Expansion = (draft) => {
  const [x, skip, gamma, beta, bias] = draft.inputs as [Value, Value, Value, Value?, Value?];
  const total = draft.sum(x, bias, skip);
  const epsilon = float(draft.read.float('epsilon', 1e-12));
  const affine = [gamma, ...(beta ? [beta] : [])];
  const normal = draft.prepend('LayerNormalization', [total, ...affine], { axis: int(-1), epsilon });
  return [normal, undefined, undefined, total];
};

/** The same with the root mean square. */
const skipSimplifiedLayerNormalization: Expansion = (draft) => {
  const [x, skip, gamma, bias] = draft.inputs as [Value, Value, Value, Value?];
  const total = draft.sum(x, bias, skip);
  return [rmsNormalization(draft, total, gamma, { epsilon: 1e-12 }), undefined, undefined, total];
};

/** GroupNormalization, and SiLU behind it where `activation` is 1. */
function groupNormalization(draft: Draft, x: Value, gamma: Value, beta: Value): Value {
  const isLast = draft.read.int('channels_last', 1) !== 0;
  const attributes = {
    num_groups: int(draft.read.int('groups', 1)),
    epsilon: float(draft.read.float('epsilon', 1e-5)),
  };
  const planes = isLast ? channelsFirst(draft, x) : x;
  const normal = draft.prepend('GroupNormalization', [planes, gamma, beta], attributes);
  const active = draft.read.int('activation', 0) === 1 ? silu(draft, normal) : normal;
  return isLast ? channelsLast(draft, active) : active;
}

const groupNorm: Expansion = (draft) => {
  const [x, gamma, beta] = draft.inputs as [Value, Value, Value];
  return [groupNormalization(draft, x, gamma, beta)];
};

/** y = GroupNorm(x + skip + bias), the sum is the second output; a skip `[N, C]` is the same everywhere. */
const skipGroupNorm: Expansion = (draft) => {
  if (draft.read.int('channels_last', 1) === 0) throw draft.unsupported('channels_last=0');
  const [x, gamma, beta, skip, bias] = draft.inputs as [Value, Value, Value, Value, Value?];
  const total = draft.sum(x, bias, unsqueezedTo(draft, skip, 4, [1, 2]));
  return [groupNormalization(draft, total, gamma, beta), total];
};

export const microsoft: Expansions = {
  SkipLayerNormalization: skipLayerNormalization,
  SkipSimplifiedLayerNormalization: skipSimplifiedLayerNormalization,
  GroupNorm: groupNorm,
  SkipGroupNorm: skipGroupNorm,
};

export const standard = { SimplifiedLayerNormalization: simplifiedLayerNormalization };
