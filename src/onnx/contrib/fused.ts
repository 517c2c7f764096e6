/** Convolutions, poolings and matrix products with what ONNX Runtime's optimiser has pulled into them. */
import { type Attribute, float, ints, string, type Value } from '../../graph/index.js';
import type { Draft, Expansion, Expansions } from '../draft.js';

/** α·a′·b′, ′ transposing the last two dimensions. */
const fusedMatMul: Expansion = (draft) => {
  const [a, b] = draft.inputs as [Value, Value];
  for (const name of ['transBatchA', 'transBatchB']) if (draft.read.int(name, 0)) throw draft.unsupported(name);
  const product = draft.prepend('MatMul', [
    turned(draft, a, draft.read.int('transA', 0)),
    turned(draft, b, draft.read.int('transB', 0)),
  ]);
  const alpha = draft.read.float('alpha', 1);
  return [alpha === 1 ? product : draft.prepend('Mul', [product, draft.scalar('alpha', alpha)])];
};

/** Swaps the last two dimensions of any rank: einsum needs no rank. */
const turned = (draft: Draft, x: Value, turns: number): Value =>
  turns ? draft.prepend('Einsum', [x], { equation: string('...ij->...ji') }) : x;

/** What the parameters of an activation are called, in the order in which they are given. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Sigmoid: [],
  Tanh: [],
  LeakyRelu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
  Clip: ['min', 'max'],
};

/** The activation that a node names, if it names one. */
function activated(draft: Draft, x: Value, parameters: readonly number[]): Value {
  const name = draft.read.string('activation', '');
  if (name === '') return x;
  const names = PARAMETERS[name];
  if (names === undefined || parameters.length > names.length) throw draft.unsupported(`its activation ${name}`);
  if (name === 'Clip')
    return draft.prepend(name, [x, ...parameters.map((value, i) => draft.scalar(`clip_${i}`, value))]);
  const attributes = parameters.map((value, i): [string, Attribute] => [names[i] as string, float(value)]);
  return draft.prepend(name, [x], Object.fromEntries(attributes));
}

/** The attributes that do not belong to the activation. */
const ownAttributes = (draft: Draft): Record<string, Attribute> =>
  Object.fromEntries(Object.entries(draft.attributes).filter(([name]) => !name.startsWith('activation')));

const withoutGaps = (values: readonly (Value | undefined)[]): Value[] => values.filter((value) => value !== undefined);

/** activation(conv(x, w, b) + z), in either layout. */
function convolution(draft: Draft, from: typeof channelsFirst, to: typeof channelsLast): Value {
  const [x, w, b, z] = draft.inputs as [Value, Value, Value?, Value?];
  const y = draft.prepend('Conv', withoutGaps([from(draft, x), w, b]), ownAttributes(draft));
  return activated(draft, draft.sum(to(draft, y), z), draft.read.floats('activation_params') ?? []);
}

/** activation(gemm(a, b, c)) */
const fusedGemm: Expansion = (draft) => {
  const y = draft.prepend('Gemm', withoutGaps(draft.inputs), ownAttributes(draft));
  const given = ['alpha', 'beta', 'gamma'].filter((name) => draft.read.has(`activation_${name}`));
  const used = PARAMETERS[draft.read.string('activation', '')] ?? [];
  const parameters = used.filter((name) => given.includes(name));
  return [
    activated(
      draft,
      y,
      parameters.map((name) => draft.read.float(`activation_${name}`, 0)),
    ),
  ];
};

/** `[N, H, W, C]` → `[N, C, H, W]` */
export const channelsFirst = (draft: Draft, x: Value): Value =>
  draft.prepend('Transpose', [x], { perm: ints([0, 3, 1, 2]) });

/** `[N, C, H, W]` → `[N, H, W, C]` */
export const channelsLast = (draft: Draft, x: Value): Value =>
  draft.prepend('Transpose', [x], { perm: ints([0, 2, 3, 1]) });

const asItIs = (_: Draft, x: Value): Value => x;

const maxPool: Expansion = (draft) => {
  const planes = channelsFirst(draft, draft.inputs[0] as Value);
  return [channelsLast(draft, draft.prepend('MaxPool', [planes], draft.attributes))];
};

export const microsoft: Expansions = {
  FusedMatMul: fusedMatMul,
  TransposeMatMul: fusedMatMul,
  FusedGemm: fusedGemm,
  FusedConv: (draft) => [convolution(draft, asItIs, asItIs)],
  NhwcConv: (draft) => [convolution(draft, channelsFirst, channelsLast)],
  NhwcFusedConv: (draft) => [convolution(draft, channelsFirst, channelsLast)],
  NhwcMaxPool: maxPool,
};
