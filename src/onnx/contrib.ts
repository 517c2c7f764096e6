/**
 * Operators that ONNX Runtime's optimiser writes into files (`com.microsoft`,
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md), spelled out in standard ones. Gradients are
 * known for those alone.
 */
import { float, GlobalPercError, type Graph, int, type Value } from '../graph/index.js';
import { expandAttention, expandMultiHeadAttention, expandStandardAttention } from './contrib-attention.js';
import { Draft } from './draft.js';

/** Writes an operator in others; gives its outputs. */
export type Expansion = (draft: Draft) => readonly (Value | undefined)[];

/** x·σ(αx) */
const quickGelu = (draft: Draft, x: Value, alpha: number): Value =>
  draft.prepend('Mul', [x, draft.prepend('Sigmoid', [draft.prepend('Mul', [x, draft.scalar('alpha', alpha)])])]);

/** The erf form, and the one with tanh. */
const gelu = (draft: Draft, x: Value, approximate: 'none' | 'tanh'): Value =>
  draft.prepend('Gelu', [x], { approximate: { kind: 'string', value: approximate } });

const plus = (draft: Draft, x: Value, bias: Value | undefined): Value => (bias ? draft.prepend('Add', [x, bias]) : x);

/** x/√(mean x² + ε)·scale over the last dimension. */
function rmsNorm(draft: Draft, x: Value, scale: Value | undefined, epsilon: number): Value {
  const squares = draft.prepend('ReduceMean', [draft.prepend('Mul', [x, x]), draft.ints('axes', [-1])]);
  const root = draft.prepend('Sqrt', [draft.prepend('Add', [squares, draft.scalar('epsilon', epsilon)])]);
  const normal = draft.prepend('Div', [x, root]);
  return scale ? draft.prepend('Mul', [normal, scale]) : normal;
}

/** What a skip connection adds up: input, skip and bias. */
function summed(draft: Draft, biasAt: number): Value {
  const [x, skip] = draft.inputs;
  return plus(draft, plus(draft, x as Value, skip), draft.inputs[biasAt]);
}

/** y = LayerNorm(input + skip + bias); the sum is the fourth output. */
const skipLayerNormalization: Expansion = (draft) => {
  const sum = summed(draft, 4);
  const [, , gamma, beta] = draft.inputs;
  const epsilon = float(draft.read.float('epsilon', 1e-12));
  const normal = draft.prepend('LayerNormalization', [sum, gamma as Value, ...(beta ? [beta] : [])], {
    axis: int(-1),
    epsilon,
  });
  return [normal, undefined, undefined, sum];
};

const skipSimplified: Expansion = (draft) => {
  const sum = summed(draft, 3);
  return [rmsNorm(draft, sum, draft.inputs[2], draft.read.float('epsilon', 1e-12)), undefined, undefined, sum];
};

/** α·a′·b′, ′ transposing the last two dimensions. */
const fusedMatMul: Expansion = (draft) => {
  const [a, b] = draft.inputs as [Value, Value];
  if (draft.read.int('transBatchA', 0) || draft.read.int('transBatchB', 0))
    throw new GlobalPercError(
      `${draft.where}: transBatchA and transBatchB are not supported; use the file before optimisation`,
    );
  const product = draft.prepend('MatMul', [
    turned(draft, a, draft.read.int('transA', 0)),
    turned(draft, b, draft.read.int('transB', 0)),
  ]);
  const alpha = draft.read.float('alpha', 1);
  return [alpha === 1 ? product : draft.prepend('Mul', [product, draft.scalar('alpha', alpha)])];
};

/** Swaps the last two dimensions of any rank: einsum needs no rank. */
const turned = (draft: Draft, x: Value, turns: number): Value =>
  turns ? draft.prepend('Einsum', [x], { equation: { kind: 'string', value: '...ij->...ji' } }) : x;

const ACTIVATIONS = new Set(['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid', 'Clip']);

/** Conv or Gemm with the activation behind it. */
const withActivation =
  (op: string): Expansion =>
  (draft) => {
    const { activation, activation_params: parameters, activation_alpha: alpha, ...rest } = draft.attributes;
    const y = draft.prepend(op, draft.inputs.filter((input) => input !== undefined).slice(0, 3), rest);
    const name = activation?.kind === 'string' ? activation.value : '';
    if (name === '') return [y];
    if (!ACTIVATIONS.has(name) || name === 'Clip' || parameters || (alpha && name !== 'LeakyRelu')) {
      throw new GlobalPercError(
        `${draft.where}: activation ${name} with parameters is not supported; use the file before optimisation`,
      );
    }
    return [draft.prepend(name, [y], alpha ? { alpha } : {})];
  };

const first = (draft: Draft): Value => draft.inputs[0] as Value;

const MICROSOFT: Readonly<Record<string, Expansion>> = {
  Gelu: (draft) => [gelu(draft, first(draft), 'none')],
  BiasGelu: (draft) => [gelu(draft, plus(draft, first(draft), draft.inputs[1]), 'none')],
  FastGelu: (draft) => [gelu(draft, plus(draft, first(draft), draft.inputs[1]), 'tanh')],
  QuickGelu: (draft) => [quickGelu(draft, first(draft), draft.read.float('alpha', 1.702))],
  FusedMatMul: fusedMatMul,
  FusedConv: withActivation('Conv'),
  FusedGemm: withActivation('Gemm'),
  SkipLayerNormalization: skipLayerNormalization,
  SkipSimplifiedLayerNormalization: skipSimplified,
  Attention: expandAttention,
  MultiHeadAttention: expandMultiHeadAttention,
};

/** Operators that ONNX Runtime writes as if they were standard ones, and those of the newest operator sets. */
const STANDARD: Readonly<Record<string, Expansion>> = {
  SimplifiedLayerNormalization: (draft) => [
    rmsNorm(draft, first(draft), draft.inputs[1], draft.read.float('epsilon', 1e-5)),
  ],
  Attention: expandStandardAttention,
};

/**
 * Replaces, in place, the operators that have an expansion.
 * @throws GlobalPercError where a node uses a form that has none.
 */
export function expandContrib(graph: Graph): void {
  graph.nodes = graph.nodes.flatMap((node) => {
    for (const { kind, value } of Object.values(node.attributes)) if (kind === 'graph') expandContrib(value);
    const table = node.domain === 'com.microsoft' ? MICROSOFT : node.domain === '' ? STANDARD : {};
    const expansion = table[node.op];
    if (expansion === undefined) return [node];
    const draft = new Draft(node);
    return draft.finishWith(expansion(draft));
  });
}
