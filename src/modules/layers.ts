/** Which PyTorch class a group of nodes comes from, by the operators it is made of. */
import { attributesOf, type Node, numbersOf, type Value } from '../graph/index.js';
import { matchComposite } from './composites.js';
import type { DataFlow } from './data-flow.js';
import { operatorsOf } from './operators.js';
import { spatialRank } from './rank.js';

/** Class of a module whose operators fit no pattern. */
export const UNKNOWN_CLASS = 'Module';

/** A class, or how to tell it from the nodes of a group that has the right operators; `undefined` when it is another. */
type Classify = string | ClassifyNodes;
type ClassifyNodes = (nodes: readonly Node[], flow: DataFlow) => string | undefined;

const find = (nodes: readonly Node[], ...ops: string[]): Node => nodes.find(({ op }) => ops.includes(op)) as Node;

/** `Conv` becomes `Conv2d`, by the operator that knows the dimensions. */
const perDimension =
  (prefix: string, ...ops: string[]): ClassifyNodes =>
  (nodes, flow) =>
    `${prefix}${spatialRank(find(nodes, ...ops), flow)}d`;

/** TorchScript's exporter writes these attributes of every pooling but those whose kernel it has computed from the sizes. */
const pool =
  (kind: string, op: string, ...written: readonly ('pads' | 'dilations')[]): Classify =>
  (nodes, flow) => {
    const attributes = attributesOf(find(nodes, op));
    const adaptive = written.some((name) => attributes.ints(name) === undefined) ? 'Adaptive' : '';
    return perDimension(`${adaptive}${kind}Pool`, op)(nodes, flow);
  };

/** A product of two activations is no layer. */
const linear: Classify = (nodes, flow) => {
  const [, weight, bias] = find(nodes, 'MatMul', 'Gemm').inputs;
  const added = nodes.find(({ op }) => op === 'Add')?.inputs ?? [];
  const addsActivation = added.length > 0 && added.every((input) => flow.depends(input));
  return flow.depends(weight) || flow.depends(bias) || addsActivation ? undefined : 'Linear';
};

const scalar = (value: Value | undefined): number | undefined => value?.constant && numbersOf(value.constant)[0];

const clip: Classify = (nodes) => {
  const [, low, high] = find(nodes, 'Clip').inputs;
  return scalar(low) === 0 && scalar(high) === 6 ? 'ReLU6' : 'Hardtanh';
};

/** log(1 + exp(β·x))/β */
const scaledSoftplus: Classify = (nodes) => {
  const [times, , by] = nodes.map(({ inputs }) => inputs.map(scalar).find((value) => value !== undefined));
  return times !== undefined && times === by ? 'Softplus' : undefined;
};

const PADDING: Readonly<Record<string, string>> = {
  reflect: 'ReflectionPad',
  edge: 'ReplicationPad',
  wrap: 'CircularPad',
};

const pad: Classify = (nodes, flow) => {
  const node = find(nodes, 'Pad');
  const mode = attributesOf(node).string('mode', 'constant');
  const constant = node.inputs[2] === undefined || scalar(node.inputs[2]) === 0 ? 'ZeroPad' : 'ConstantPad';
  return `${PADDING[mode] ?? constant}${spatialRank(node, flow)}d`;
};

/** Looking up weights by an input, not picking elements of an activation. */
const embedding: Classify = ([node], flow) => (flow.depends(node?.inputs[0]) ? undefined : 'Embedding');

/** Blocks and channels change places by a reshape, a permutation and a reshape; the permutation tells which. */
const SHUFFLES: Readonly<Record<string, string>> = {
  '0,1,4,2,5,3': 'PixelShuffle',
  '0,1,3,5,2,4': 'PixelUnshuffle',
  '0,2,1,3,4': 'ChannelShuffle',
};
const shuffle: Classify = (nodes) => SHUFFLES[String(attributesOf(find(nodes, 'Transpose')).ints('perm'))];

/** x·σ(x), not a gate on something else. */
const selfGated =
  (className: string): Classify =>
  (nodes, flow) => {
    const [first, last] = [nodes[0] as Node, nodes.at(-1) as Node];
    const gated = first.inputs.find((input) => flow.depends(input)) ?? first.inputs[0];
    return last.inputs.includes(gated) ? className : undefined;
  };

/** A LayerNorm over the channels of images: they go last and come back. */
const layerNorm2d: Classify = (nodes) => {
  const [before, , after] = nodes.map((node) => String(attributesOf(node).ints('perm')));
  return before === '0,2,3,1' && after === '0,3,1,2' ? 'LayerNorm2d' : undefined;
};

/** Operators of a module, without those that only prepare shapes. Their order does not matter. */
const PATTERNS: Readonly<Record<string, Classify>> = {
  Conv: perDimension('Conv', 'Conv'),
  'Pad Conv': perDimension('Conv', 'Conv'),
  ConvTranspose: perDimension('ConvTranspose', 'ConvTranspose'),
  Gemm: linear,
  'Reshape Gemm': linear,
  'Gemm Reshape': linear,
  'Reshape Gemm Reshape': linear,
  'MatMul Add': linear,
  MatMul: linear,
  Gather: embedding,
  Relu: 'ReLU',
  Clip: clip,
  Gelu: 'GELU',
  'Div Erf Add Mul Mul': 'GELU',
  'Mul Erf Add Mul Mul': 'GELU',
  'Mul Mul Mul Add Mul Tanh Add Mul Mul': 'GELU',
  'Pow Mul Add Mul Tanh Add Mul Mul': 'GELU',
  'Sigmoid Mul': selfGated('SiLU'),
  'Mul Sigmoid Mul': selfGated('QuickGELU'),
  'Softplus Tanh Mul': selfGated('Mish'),
  Mish: 'Mish',
  'Split Sigmoid Mul': 'GLU',
  HardSwish: 'Hardswish',
  'HardSigmoid Mul': selfGated('Hardswish'),
  'Add Clip Div Mul': selfGated('Hardswish'),
  HardSigmoid: 'Hardsigmoid',
  'Add Clip Div': 'Hardsigmoid',
  Sigmoid: 'Sigmoid',
  'Sigmoid Log': 'LogSigmoid',
  Tanh: 'Tanh',
  'Tanh Sub': selfGated('Tanhshrink'),
  'Abs Add Div': selfGated('Softsign'),
  'Greater Less Or Where': selfGated('Hardshrink'),
  'Greater Less Cast Cast Or Where': selfGated('Hardshrink'),
  'Greater Sub Where Less Add Where Add': 'Softshrink',
  LeakyRelu: 'LeakyReLU',
  ThresholdedRelu: 'Threshold',
  Shrink: 'Hardshrink',
  PRelu: 'PReLU',
  Elu: 'ELU',
  Selu: 'SELU',
  Celu: 'CELU',
  Softplus: 'Softplus',
  'Mul Softplus Div': scaledSoftplus,
  Softsign: 'Softsign',
  Softmax: 'Softmax',
  LogSoftmax: 'LogSoftmax',
  'Neg Softmax': 'Softmin',
  BatchNormalization: perDimension('BatchNorm', 'BatchNormalization'),
  InstanceNormalization: perDimension('InstanceNorm', 'InstanceNormalization'),
  LayerNormalization: 'LayerNorm',
  'Transpose LayerNormalization Transpose': layerNorm2d,
  'ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add': 'LayerNorm',
  'ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul': 'LayerNorm',
  'ReduceMean Sub Pow ReduceMean Add Sqrt Div': 'LayerNorm',
  'ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul Add': 'LayerNorm',
  GroupNormalization: 'GroupNorm',
  'Reshape InstanceNormalization Reshape Mul Add': 'GroupNorm',
  'Reshape InstanceNormalization Reshape': 'GroupNorm',
  RMSNormalization: 'RMSNorm',
  'Pow ReduceMean Add Sqrt Reciprocal Mul Mul': 'RMSNorm',
  'Pow ReduceMean Add Sqrt Div Mul': 'RMSNorm',
  'Pow ReduceMean Add Sqrt Div Mul Mul': 'RMSNorm',
  LRN: 'LocalResponseNorm',
  'Mul Unsqueeze Pad AveragePool If Mul Add Pow Div': 'LocalResponseNorm',
  'Mul Unsqueeze Pad AveragePool Squeeze Mul Add Pow Div': 'LocalResponseNorm',
  'Mul Reshape Pad AveragePool If Reshape Mul Add Pow Div': 'LocalResponseNorm',
  'Mul Reshape Pad Pad AveragePool Squeeze Reshape Mul Add Pow Div': 'LocalResponseNorm',
  'Mul Unsqueeze Pad Pad AveragePool Squeeze Mul Add Pow Div': 'LocalResponseNorm',
  'Mul Reshape Pad AveragePool Squeeze Reshape Mul Add Pow Div': 'LocalResponseNorm',
  LpPool: perDimension('LPPool', 'LpPool'),
  'Pow Pad AveragePool Sign Abs Relu Mul Mul Pow': perDimension('LPPool', 'AveragePool'),
  'Pow AveragePool Sign Abs Relu Mul Mul Pow': perDimension('LPPool', 'AveragePool'),
  MaxPool: perDimension('MaxPool', 'MaxPool'),
  AveragePool: perDimension('AvgPool', 'AveragePool'),
  'Pad AveragePool': perDimension('AvgPool', 'AveragePool'),
  GlobalAveragePool: perDimension('AdaptiveAvgPool', 'GlobalAveragePool'),
  GlobalMaxPool: perDimension('AdaptiveMaxPool', 'GlobalMaxPool'),
  Flatten: 'Flatten',
  Resize: 'Upsample',
  DepthToSpace: 'PixelShuffle',
  SpaceToDepth: 'PixelUnshuffle',
  'Reshape Transpose Reshape': shuffle,
  Pad: pad,
  Dropout: 'Dropout',
};

/** onnxsim computes the products of several layers at once; the bias of each stays where it was. */
const bias: Classify = ([node]) =>
  node?.inputs.some((input) => input?.constant?.shape.length === 1 && input.name.endsWith('.bias'))
    ? 'Linear'
    : undefined;

/** Patterns that are believed in a scope of their own only. */
const SCOPED_PATTERNS: Readonly<Record<string, Classify>> = {
  Add: bias,
  Identity: 'Identity',
  'Gather Gather Transpose Reshape': 'Unfold',
  'Pad Gather Gather Transpose Reshape': 'Unfold',
  'Reshape BatchNormalization Reshape': perDimension('InstanceNorm', 'Reshape'),
  'Reshape Transpose ReduceMean ReduceMean Sub Mul ReduceMean BatchNormalization': perDimension(
    'BatchNorm',
    'BatchNormalization',
  ),
  'Mul ReduceSum Mul ReduceSum Mul ReduceSum Mul Sqrt Max Div': 'CosineSimilarity',
  'Sub Pow ReduceSum Pow': 'PairwiseDistance',
  'Gemm Gemm Add Tanh': 'RNNCell',
  'Gemm Gemm Add Split Sigmoid Sigmoid Tanh Sigmoid Mul Mul Add Tanh Mul': 'LSTMCell',
  'Gemm Split Gemm Split Add Sigmoid Add Sigmoid Mul Add Tanh Sub Mul Add': 'GRUCell',
  AveragePool: pool('Avg', 'AveragePool', 'pads'),
  MaxPool: pool('Max', 'MaxPool', 'pads', 'dilations'),
};

/** Most operators any pattern has. */
export const LONGEST_PATTERN = Math.max(...Object.keys(PATTERNS).map((pattern) => pattern.split(' ').length));

const sorted = (ops: readonly string[]): string => [...ops].sort().join(' ');
const byOperators = (patterns: typeof PATTERNS): Map<string, Classify> =>
  new Map(Object.entries(patterns).map(([ops, classify]) => [sorted(ops.split(' ')), classify]));

const ANYWHERE = byOperators(PATTERNS);
const SCOPED = byOperators({ ...PATTERNS, ...SCOPED_PATTERNS });

/** Class of the module these nodes alone make up; `undefined` when no pattern fits. */
export const matchClass = (nodes: readonly Node[], flow: DataFlow): string | undefined => match(nodes, flow, ANYWHERE);

function match(nodes: readonly Node[], flow: DataFlow, patterns: Map<string, Classify>): string | undefined {
  const classify = patterns.get(sorted(nodes.map(({ op }) => op)));
  return typeof classify === 'function' ? classify(nodes, flow) : classify;
}

/** Class of the leaf module whose nodes these are; `'Module'` when no pattern fits. */
export function classOfScope(nodes: readonly Node[], flow: DataFlow): string {
  const essential = operatorsOf(nodes).filter(({ op }) => op !== 'Cast' && (op !== 'Identity' || nodes.length === 1));
  // Layers that work on the last dimension are often wrapped in transpositions.
  const inPlace = essential.filter(({ op }) => op !== 'Transpose');
  return (
    match(essential, flow, SCOPED) ?? match(inPlace, flow, ANYWHERE) ?? matchComposite(essential, flow) ?? UNKNOWN_CLASS
  );
}
